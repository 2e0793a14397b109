// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/decl/xmltext"
	"github.com/carosio/carosbuild/pkg/disk/kind"
	"github.com/carosio/carosbuild/pkg/words"
)

// checkTable reports what is wrong with a disk's partitions as a whole. The
// attributes by themselves are good, or have been reported.
func checkTable(rep *xmltext.Report, n *xmltext.Node, parts []*xmltext.Node) {
	if len(parts) == 0 {
		rep.Errorf(n.Tag(), "", "disk %s has no <partition>", finding.QuoteValue(n.Value("id")))
	}
	mbr := n.Value("table") == "mbr"
	most := 128
	if mbr {
		most = 4
	}
	if len(parts) > most {
		rep.Errorf(parts[most].Tag(), "", "a table of this kind has at most %d partitions", most)
	}
	onlyOne(rep, parts, "size", "rest", `a second partition of size "rest"`)
	onlyOne(rep, parts, "active", "yes", "a second active partition")
	unique(rep, parts, "name")
	unique(rep, parts, "label")
	starts := slices.ContainsFunc(parts, func(p *xmltext.Node) bool { return p.Value("start") != "" }) // then the order does not matter
	for i, p := range parts {
		checkPartition(rep, p, mbr)
		switch {
		case p.Value("size") == "rest" && n.Value("size") == "":
			rep.Errorf(p.Attr("size").In, `give the disk a size, or write a size such as fit+512M`, `size "rest" of a disk without a size`).
				Note(n.Tag(), "the disk is here")
		case p.Value("grow") == "yes" && i < len(parts)-1 && !starts:
			rep.Errorf(p.Attr("grow").In, "", "only the last partition can grow").Note(parts[i+1].Tag(), "this one comes after it")
		}
	}
	if starts {
		onlyOne(rep, parts, "grow", "yes", "a second partition that grows")
	}
	checkOf(rep, parts)
	checkPartUUIDs(rep, parts)
	hybrid := 0
	for _, p := range parts {
		if p.Value("hybrid") != "yes" {
			continue
		}
		if hybrid++; hybrid == 4 {
			rep.Errorf(p.Attr("hybrid").In, "", "a fourth partition in the hybrid MBR, which has room for three")
		}
	}
	checkSum(rep, n, parts)
}

// checkEmpty checks a disk that is blank.
func checkEmpty(rep *xmltext.Report, n *xmltext.Node) {
	if n.Value("size") == "" {
		rep.Errorf(n.Tag(), `write a size such as size="8G"`, "an empty disk without a size")
	}
	for _, name := range []string{"table", "align", "guid"} {
		if a := n.Attr(name); a != nil {
			rep.Errorf(a.In, "", "an empty disk has no %s", name).Note(n.Attr("empty").In, "it is empty because of this")
		}
	}
	for _, k := range n.Kids {
		if k.Name != "vm" && k.Name != "expect" && k.Name != "deploy" {
			rep.Errorf(k.Tag(), "", "<%s> on an empty disk", k.Name).Note(n.Attr("empty").In, "it is empty because of this")
		}
	}
}

// onlyOne reports the second partition that has a value which only one may have.
func onlyOne(rep *xmltext.Report, parts []*xmltext.Node, attr, value, summary string) {
	var first *xmltext.Attribute
	for _, p := range parts {
		switch {
		case p.Value(attr) != value:
		case first == nil:
			first = p.Attr(attr)
		default:
			rep.Errorf(p.Attr(attr).In, "", "%s", summary).Note(first.In, "the first one is here")
		}
	}
}

// unique reports partitions that have the same name.
func unique(rep *xmltext.Report, parts []*xmltext.Node, attr string) {
	seen := map[string]xmltext.Place{}
	for _, p := range parts {
		v := p.Value(attr)
		if v == "" {
			continue
		}
		if first, ok := seen[v]; ok {
			rep.Errorf(p.Attr(attr).In, "", "a second partition with the %s %s", attr, finding.QuoteValue(v)).Note(first, "the first one is here")
			continue
		}
		seen[v] = p.Attr(attr).In
	}
}

// checkPartition reports attributes of one partition that contradict each
// other.
func checkPartition(rep *xmltext.Report, p *xmltext.Node, mbr bool) {
	checkKind(rep, p, mbr)
	checkPartitionUUID(rep, p, mbr)
	fs := p.Value("fs")
	if fs == "" {
		checkBare(rep, p)
		return
	}
	is, ok := kind.ByName(fs)
	if !ok {
		return // its features are not known, and the mistake has been reported
	}
	switch a := p.Attr("path"); {
	case a == nil || is.Tree:
	case is.Items:
		rep.Errorf(a.At, "put files on it with <copy>", "a FAT file system cannot be made from a directory: it has no owners and modes")
	default:
		rep.Errorf(a.At, "", "path for %s, which has no files", fs)
	}
	if a := p.Attr("from"); a != nil {
		rep.Errorf(a.At, "use path for the contents of a file system", "from for a partition with a file system")
	}
	if len(p.Kids) > 0 && !is.Items {
		rep.Errorf(p.Kids[0].Tag(), "", "<%s> on %s, which has no files", p.Kids[0].Name, fs)
	}
	checkOnly(rep, p, "profile", is, func(k kind.FileSystem) bool { return len(k.Profiles) > 0 })
	checkOnly(rep, p, "compression", is, func(k kind.FileSystem) bool { return len(k.Compressions) > 0 })
	checkOnly(rep, p, "of", is, func(k kind.FileSystem) bool { return k.Of })
	if is.Of && p.Value("of") == "" {
		rep.Errorf(p.Attr("fs").In, `write of="NAME" with the name of a partition`, "%s does not say which partition it verifies", fs)
	}
	checkLabel(rep, p, is)
}

// checkPartitionUUID reports a short uuid where only a long one is possible, and a
// long one that cannot be stored: on an mbr disk, only some file systems have one.
func checkPartitionUUID(rep *xmltext.Report, p *xmltext.Node, mbr bool) {
	a := p.Attr("uuid")
	if a == nil || checkUUID(p.Value("uuid")) != nil {
		return // that has been reported
	}
	fs, long := p.Value("fs"), len(p.Value("uuid")) == 36
	is, ok := kind.ByName(fs)
	if fs != "" && !ok {
		return
	}
	short, what := is.Serial, fs
	if fs == "" {
		what = "a partition without a file system"
	}
	switch {
	case !long && !short:
		rep.Errorf(a.In, "such as 4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "the uuid of %s is a long one", what)
	case long && mbr && short:
		rep.Errorf(a.In, "such as ABCD-1234, the serial number of the file system", "a long uuid is for the partition of a gpt table, and %s has a short one", what)
	case long && mbr && !is.UUID:
		rep.Errorf(a.In, "", "uuid for %s in an mbr table: neither has a place for one", what)
	}
}

// checkOnly reports an attribute that only some file systems have.
func checkOnly(rep *xmltext.Report, p *xmltext.Node, attr string, is kind.FileSystem, has func(kind.FileSystem) bool) {
	if a := p.Attr(attr); a != nil && !has(is) {
		rep.Errorf(a.At, "", "%s is for %s only", attr, kind.Choice(kind.Names(has)))
	}
}

// checkKind reports attributes that only the other kind of partition table has.
func checkKind(rep *xmltext.Report, p *xmltext.Node, mbr bool) {
	if a := p.Attr("active"); !mbr && p.Value("active") == "yes" {
		rep.Errorf(a.In, "", "only partitions of an mbr table can be active")
	}
	if a := p.Attr("type"); mbr && isGUID(p.Value("type")) {
		rep.Errorf(a.In, "a name such as linux, or two hexadecimal digits", "an mbr table has no GUIDs for types")
	} else if !mbr && typeByte().MatchString(p.Value("type")) {
		rep.Errorf(a.In, "a name such as linux, or a GUID", "a gpt table has no bytes for types")
	}
	for _, name := range []string{"attributes", "hybrid"} {
		if a := p.Attr(name); mbr && a != nil && p.Value(name) != "no" {
			rep.Errorf(a.At, "", "%s is for a gpt table only", name)
		}
	}
}

// checkBare checks a partition without a file system.
func checkBare(rep *xmltext.Report, p *xmltext.Node) {
	const hint = "give the partition an fs"
	for _, name := range []string{"path", "label", "profile", "compression", "of"} {
		if a := p.Attr(name); a != nil {
			rep.Errorf(a.At, hint, "%s for a partition without a file system", name)
		}
	}
	size := p.Value("size")
	if p.Value("from") == "" && strings.HasPrefix(size, "fit") && checkPartitionSize(size) == nil {
		rep.Errorf(p.Attr("size").In, "give the partition an fs, or content with from", "size %s of a partition without content", finding.QuoteValue(size))
	}
	if len(p.Kids) > 0 {
		rep.Errorf(p.Kids[0].Tag(), hint, "<%s> in a partition without a file system", p.Kids[0].Name)
	}
}

// checkOf reports verity partitions for a partition that does not exist or cannot
// be verified.
func checkOf(rep *xmltext.Report, parts []*xmltext.Node) {
	names := map[string]*xmltext.Node{}
	var known []string
	for _, p := range parts {
		if name := p.Value("name"); name != "" {
			names[name] = p
			known = append(known, name)
		}
	}
	for _, p := range parts {
		a, of := p.Attr("of"), p.Value("of")
		if is, _ := kind.ByName(p.Value("fs")); of == "" || !is.Of {
			continue
		}
		switch data := names[of]; {
		case data == nil:
			hint := ""
			if right := words.Suggest(of, known); right != "" {
				hint = "did you mean " + finding.QuoteValue(right) + "?"
			}
			rep.Errorf(a.In, hint, "verity of partition %s, which the disk does not have", finding.QuoteValue(of))
		case !hashable(data.Value("fs")):
			rep.Errorf(a.In, "", "a partition with %s cannot be verified", data.Value("fs")).Note(data.Tag(), "it is here")
		}
	}
}

// hashable reports whether a partition can be verified. Without a file system, it
// is the content of its file that is verified.
func hashable(fs string) bool {
	is, ok := kind.ByName(fs)
	return !ok || is.Hashed
}

// checkLabel checks that the file system can store a label.
func checkLabel(rep *xmltext.Report, p *xmltext.Node, is kind.FileSystem) {
	a, v := p.Attr("label"), p.Value("label")
	switch {
	case v == "":
	case is.Label == 0:
		rep.Errorf(a.At, "a partition of a gpt table has a name", "%s has no label", is.Name)
	case is.Serial && (len(v) > is.Label || strings.ContainsAny(v, `"*+,./:;<=>?[\]|`) || strings.IndexFunc(v, notASCII) >= 0):
		rep.Errorf(a.In, "", `label %s of a FAT file system has to be at most %d plain characters`, finding.QuoteValue(v), is.Label)
	case len(v) > is.Label:
		rep.Errorf(a.In, "", "label %s of %s has more than %d bytes", finding.QuoteValue(v), is.Name, is.Label)
	}
}

func notASCII(r rune) bool { return r < ' ' || r >= utf8.RuneSelf }

// checkSum reports a disk that is smaller than its partitions.
func checkSum(rep *xmltext.Report, n *xmltext.Node, parts []*xmltext.Node) {
	size := n.Value("size")
	if size == "" || checkSectors(size) != nil {
		return
	}
	room, _ := parseSize(size)
	for _, p := range parts {
		v := strings.TrimPrefix(p.Value("size"), "fit+")
		if v == "" || v == "fit" || v == "rest" || checkSectors(v) != nil {
			continue
		}
		part, _ := parseSize(v)
		if room -= part; room < 0 {
			rep.Errorf(p.Attr("size").In, "", "the partitions up to this one are larger than the disk").
				Note(n.Attr("size").In, "its size is here")
			return
		}
	}
}
