// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/disk/kind"
	"github.com/carosio/carosbuild/pkg/words"
)

// checkTable reports what is wrong with a disk's partitions as a whole: each
// attribute for itself is good, or has been reported.
func checkTable(rep *report, n *node, parts []*node) {
	if len(parts) == 0 {
		rep.errorf(n.tag(), "", "disk %s has no <partition>", finding.QuoteValue(n.value("id")))
	}
	mbr := n.value("table") == "mbr"
	most := 128
	if mbr {
		most = 4
	}
	if len(parts) > most {
		rep.errorf(parts[most].tag(), "", "a table of this kind has at most %d partitions", most)
	}
	onlyOne(rep, parts, "size", "rest", `a second partition of size "rest"`)
	onlyOne(rep, parts, "active", "yes", "a second active partition")
	unique(rep, parts, "name")
	unique(rep, parts, "label")
	starts := slices.ContainsFunc(parts, func(p *node) bool { return p.value("start") != "" }) // then the order says nothing
	for i, p := range parts {
		checkPartition(rep, p, mbr)
		switch {
		case p.value("size") == "rest" && n.value("size") == "":
			rep.errorf(p.attr("size").in, `give the disk a size, or write a size such as fit+512M`, `size "rest" of a disk without a size`).
				note(n.tag(), "the disk is here")
		case p.value("grow") == "yes" && i < len(parts)-1 && !starts:
			rep.errorf(p.attr("grow").in, "", "only the last partition can grow").note(parts[i+1].tag(), "this one is behind it")
		}
	}
	if starts {
		onlyOne(rep, parts, "grow", "yes", "a second partition that grows")
	}
	checkOf(rep, parts)
	checkPartUUIDs(rep, parts)
	hybrid := 0
	for _, p := range parts {
		if p.value("hybrid") != "yes" {
			continue
		}
		if hybrid++; hybrid == 4 {
			rep.errorf(p.attr("hybrid").in, "", "a fourth partition in the hybrid MBR, which has room for three")
		}
	}
	checkSum(rep, n, parts)
}

// checkEmpty checks a disk that has nothing on it.
func checkEmpty(rep *report, n *node) {
	if n.value("size") == "" {
		rep.errorf(n.tag(), `write a size such as size="8G"`, "an empty disk without a size")
	}
	for _, name := range []string{"table", "align", "guid"} {
		if a := n.attr(name); a != nil {
			rep.errorf(a.in, "", "an empty disk has no %s", name).note(n.attr("empty").in, "it is empty because of this")
		}
	}
	for _, k := range n.kids {
		if k.name != "vm" && k.name != "expect" && k.name != "deploy" {
			rep.errorf(k.tag(), "", "<%s> on an empty disk", k.name).note(n.attr("empty").in, "it is empty because of this")
		}
	}
}

// onlyOne reports the second partition that has a value of which there can be
// one.
func onlyOne(rep *report, parts []*node, attr, value, summary string) {
	var first *attribute
	for _, p := range parts {
		switch {
		case p.value(attr) != value:
		case first == nil:
			first = p.attr(attr)
		default:
			rep.errorf(p.attr(attr).in, "", "%s", summary).note(first.in, "the first one is here")
		}
	}
}

// unique reports partitions that have a name in common.
func unique(rep *report, parts []*node, attr string) {
	seen := map[string]place{}
	for _, p := range parts {
		v := p.value(attr)
		if v == "" {
			continue
		}
		if first, ok := seen[v]; ok {
			rep.errorf(p.attr(attr).in, "", "a second partition with the %s %s", attr, finding.QuoteValue(v)).note(first, "the first one is here")
			continue
		}
		seen[v] = p.attr(attr).in
	}
}

// checkPartition reports attributes of one partition that contradict each
// other.
func checkPartition(rep *report, p *node, mbr bool) {
	checkKind(rep, p, mbr)
	checkPartitionUUID(rep, p, mbr)
	fs := p.value("fs")
	if fs == "" {
		checkBare(rep, p)
		return
	}
	is, ok := kind.ByName(fs)
	if !ok {
		return // what it could have is not known, and that has been said
	}
	switch a := p.attr("path"); {
	case a == nil || is.Tree:
	case is.Items:
		rep.errorf(a.at, "put files on it with <copy>", "a FAT file system cannot be made from a directory: it has no owners and modes")
	default:
		rep.errorf(a.at, "", "path for %s, which has no files", fs)
	}
	if a := p.attr("from"); a != nil {
		rep.errorf(a.at, "path is what a file system is made from", "from for a partition with a file system")
	}
	if len(p.kids) > 0 && !is.Items {
		rep.errorf(p.kids[0].tag(), "", "<%s> on %s, which has no files", p.kids[0].name, fs)
	}
	checkOnly(rep, p, "profile", is, func(k kind.FileSystem) bool { return len(k.Profiles) > 0 })
	checkOnly(rep, p, "compression", is, func(k kind.FileSystem) bool { return len(k.Compressions) > 0 })
	checkOnly(rep, p, "of", is, func(k kind.FileSystem) bool { return k.Of })
	if is.Of && p.value("of") == "" {
		rep.errorf(p.attr("fs").in, `write of="NAME" with the name of a partition`, "%s of what?", fs)
	}
	checkLabel(rep, p, is)
}

// checkPartitionUUID reports a short uuid on what has none, and a long one that
// has no place: on an mbr disk, only some file systems have one.
func checkPartitionUUID(rep *report, p *node, mbr bool) {
	a := p.attr("uuid")
	if a == nil || checkUUID(p.value("uuid")) != nil {
		return // that has been said
	}
	fs, long := p.value("fs"), len(p.value("uuid")) == 36
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
		rep.errorf(a.in, "such as 4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "the uuid of %s is a long one", what)
	case long && mbr && short:
		rep.errorf(a.in, "such as ABCD-1234, the serial number of the file system", "a long uuid is for the partition of a gpt table, and %s has a short one", what)
	case long && mbr && !is.UUID:
		rep.errorf(a.in, "", "uuid for %s in an mbr table: neither has one", what)
	}
}

// checkOnly reports an attribute that only some kinds of file systems have.
func checkOnly(rep *report, p *node, attr string, is kind.FileSystem, has func(kind.FileSystem) bool) {
	if a := p.attr(attr); a != nil && !has(is) {
		rep.errorf(a.at, "", "%s is for %s only", attr, kind.Choice(kind.Names(has)))
	}
}

// checkKind reports what the other kind of partition table has.
func checkKind(rep *report, p *node, mbr bool) {
	if a := p.attr("active"); !mbr && p.value("active") == "yes" {
		rep.errorf(a.in, "", "only partitions of an mbr table can be active")
	}
	if a := p.attr("type"); mbr && isGUID(p.value("type")) {
		rep.errorf(a.in, "a name such as linux, or two hexadecimal digits", "an mbr table has no GUIDs for types")
	} else if !mbr && typeByte.MatchString(p.value("type")) {
		rep.errorf(a.in, "a name such as linux, or a GUID", "a gpt table has no bytes for types")
	}
	for _, name := range []string{"attributes", "hybrid"} {
		if a := p.attr(name); mbr && a != nil && p.value(name) != "no" {
			rep.errorf(a.at, "", "%s is for a gpt table only", name)
		}
	}
}

// checkBare is for a partition without a file system.
func checkBare(rep *report, p *node) {
	const hint = "give the partition an fs"
	for _, name := range []string{"path", "label", "profile", "compression", "of"} {
		if a := p.attr(name); a != nil {
			rep.errorf(a.at, hint, "%s for a partition without a file system", name)
		}
	}
	size := p.value("size")
	if p.value("from") == "" && strings.HasPrefix(size, "fit") && checkPartitionSize(size) == nil {
		rep.errorf(p.attr("size").in, "give the partition an fs, or content with from", "size %s of a partition without content", finding.QuoteValue(size))
	}
	if len(p.kids) > 0 {
		rep.errorf(p.kids[0].tag(), hint, "<%s> in a partition without a file system", p.kids[0].name)
	}
}

// checkOf reports verity partitions of what is not there or cannot be.
func checkOf(rep *report, parts []*node) {
	names := map[string]*node{}
	var known []string
	for _, p := range parts {
		if name := p.value("name"); name != "" {
			names[name] = p
			known = append(known, name)
		}
	}
	for _, p := range parts {
		a, of := p.attr("of"), p.value("of")
		if is, _ := kind.ByName(p.value("fs")); of == "" || !is.Of {
			continue
		}
		switch data := names[of]; {
		case data == nil:
			hint := ""
			if right := words.Suggest(of, known); right != "" {
				hint = "did you mean " + finding.QuoteValue(right) + "?"
			}
			rep.errorf(a.in, hint, "verity of partition %s, which the disk does not have", finding.QuoteValue(of))
		case !hashable(data.value("fs")):
			rep.errorf(a.in, "", "verity of a partition with %s", data.value("fs")).note(data.tag(), "it is here")
		}
	}
}

// hashable reports whether a partition can be verified: by what is on it, or for
// the file that it is.
func hashable(fs string) bool {
	is, ok := kind.ByName(fs)
	return !ok || is.Hashed
}

// checkLabel checks that the file system can store a label.
func checkLabel(rep *report, p *node, is kind.FileSystem) {
	a, v := p.attr("label"), p.value("label")
	switch {
	case v == "":
	case is.Label == 0:
		rep.errorf(a.at, "a partition of a gpt table has a name", "%s has no label", is.Name)
	case is.Serial && (len(v) > is.Label || strings.ContainsAny(v, `"*+,./:;<=>?[\]|`) || strings.IndexFunc(v, notASCII) >= 0):
		rep.errorf(a.in, "", `label %s of a FAT file system is not of at most %d plain characters`, finding.QuoteValue(v), is.Label)
	case len(v) > is.Label:
		rep.errorf(a.in, "", "label %s of %s has more than %d bytes", finding.QuoteValue(v), is.Name, is.Label)
	}
}

func notASCII(r rune) bool { return r < ' ' || r >= utf8.RuneSelf }

// checkSum reports a disk that is smaller than its partitions.
func checkSum(rep *report, n *node, parts []*node) {
	size := n.value("size")
	if size == "" || checkSectors(size) != nil {
		return
	}
	room, _ := parseSize(size)
	for _, p := range parts {
		v := strings.TrimPrefix(p.value("size"), "fit+")
		if v == "" || v == "fit" || v == "rest" || checkSectors(v) != nil {
			continue
		}
		part, _ := parseSize(v)
		if room -= part; room < 0 {
			rep.errorf(p.attr("size").in, "", "the partitions up to this one are larger than the disk").
				note(n.attr("size").in, "its size is here")
			return
		}
	}
}
