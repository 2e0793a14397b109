// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package decl

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// checkTable reports what is wrong with a disk's partitions as a whole: each
// attribute for itself is good, or has been reported.
func checkTable(rep *report, n *node, parts []*node) {
	if len(parts) == 0 {
		rep.errorf(n.tag(), "", "disk %s has no <partition>", quote(n.value("id")))
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
	checkSum(rep, n, parts)
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
			rep.errorf(p.attr(attr).in, "", "a second partition with the %s %s", attr, quote(v)).note(first, "the first one is here")
			continue
		}
		seen[v] = p.attr(attr).in
	}
}

// checkPartition reports attributes of one partition that contradict each
// other.
func checkPartition(rep *report, p *node, mbr bool) {
	fs := p.value("fs")
	if a := p.attr("active"); !mbr && p.value("active") == "yes" {
		rep.errorf(a.in, "", "only partitions of an mbr table can be active")
	}
	if a := p.attr("path"); a != nil && fs == "fat32" {
		rep.errorf(a.at, "put files on it with <copy>", "a FAT file system cannot be made from a directory: it has no owners and modes")
	}
	if a := p.attr("uuid"); p.value("uuid") != "" && fs == "ext4" && len(p.value("uuid")) != 36 {
		rep.errorf(a.in, "such as 4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "the uuid of an ext4 file system is a long one")
	}
	if a := p.attr("type"); mbr && typeGUID.MatchString(p.value("type")) {
		rep.errorf(a.in, "a name such as linux, or two hexadecimal digits", "an mbr table has no GUIDs for types")
	} else if !mbr && typeByte.MatchString(p.value("type")) {
		rep.errorf(a.in, "a name such as linux, or a GUID", "a gpt table has no bytes for types")
	}
	checkLabel(rep, p, fs)
	if fs != "" {
		return
	}
	const hint = "give the partition an fs"
	for _, name := range []string{"path", "label"} {
		if a := p.attr(name); a != nil {
			rep.errorf(a.at, hint, "%s for a partition without a file system", name)
		}
	}
	if size := p.value("size"); strings.HasPrefix(size, "fit") && checkPartitionSize(size) == nil {
		rep.errorf(p.attr("size").in, hint, "size %s of a partition without a file system", quote(p.value("size")))
	}
	if len(p.kids) > 0 {
		rep.errorf(p.kids[0].tag(), hint, "<%s> in a partition without a file system", p.kids[0].name)
	}
}

// checkLabel holds a label against what the file system can store: 11
// characters of the FAT specification, section 6; 16 bytes of s_volume_name.
func checkLabel(rep *report, p *node, fs string) {
	a, v := p.attr("label"), p.value("label")
	switch {
	case v == "":
	case fs == "fat32" && (len(v) > 11 || strings.ContainsAny(v, `"*+,./:;<=>?[\]|`) || strings.IndexFunc(v, notASCII) >= 0):
		rep.errorf(a.in, "", `label %s of a FAT file system is not of at most 11 plain characters`, quote(v))
	case fs == "ext4" && len(v) > 16:
		rep.errorf(a.in, "", "label %s of an ext4 file system has more than 16 bytes", quote(v))
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
