// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/google/go-cmp/cmp"
)

// view is the output of debugfs about an inode, or the tree's data about an entry.
type view struct {
	Mode     uint32
	UID, GID uint32
	Links    int
	Size     int64 // not of directories
	Mtime    string
	Crtime   string
	Device   string
	Target   string
	Xattrs   map[string]string
	Names    []string // all paths of the inode
}

// verify reads a whole file system with debugfs and compares it with the tree from
// which it was made.
func verify(t testing.TB, path string, tr *tree.Tree, o Options) {
	t.Helper()
	r := &reader{t: t, image: path, views: map[string]*view{}, tmp: t.TempDir()}
	r.walk()
	r.stat()
	want := wanted(tr, o)
	got := map[string]*view{}
	for _, v := range r.views {
		slices.Sort(v.Names)
		got[v.Names[0]] = v
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Fatalf("file system (-) differs from tree (+):\n%s", diff[:min(len(diff), 8000)])
	}
	r.contents(tr)
}

// wanted is the expected view of a tree.
func wanted(tr *tree.Tree, o Options) map[string]*view {
	out := map[string]*view{}
	for i := range tr.Entries {
		e := &tr.Entries[i]
		if e.Hardlink != "" {
			v := out[e.Hardlink]
			v.Links++
			v.Names = append(v.Names, e.Path)
			slices.Sort(v.Names)
			continue
		}
		v := &view{Mode: e.Mode, UID: e.UID, GID: e.GID, Links: 1, Names: []string{e.Path}, Xattrs: map[string]string{}}
		v.Mtime, v.Crtime = fmt.Sprintf("%08x:%08x", uint32(e.Mtime), extra(e.Mtime, e.MtimeNsec)), fmt.Sprintf("%08x:%08x", uint32(o.Time), extra(o.Time, 0))
		switch e.Type() {
		case tree.Dir:
			v.Links = 2
		case tree.Regular:
			v.Size = e.Size
		case tree.Symlink:
			v.Size, v.Target = int64(len(e.Link)), e.Link
		case tree.Char, tree.Block:
			v.Device = fmt.Sprintf("%d:%d", e.Rdev.Major, e.Rdev.Minor)
		}
		for _, x := range e.Xattrs {
			v.Xattrs[x.Name] = hex.EncodeToString(x.Value)
		}
		out[e.Path] = v
		if e.Type() == tree.Dir && e.Path != "" {
			out[e.Parent()].Links++
		}
	}
	if out["lost+found"] == nil {
		out[""].Links++
		at := fmt.Sprintf("%08x:%08x", uint32(o.Time), extra(o.Time, 0))
		out["lost+found"] = &view{Mode: tree.Dir | 0o700, Links: 2, Names: []string{"lost+found"}, Mtime: at, Crtime: at, Xattrs: map[string]string{}}
	}
	for _, v := range out {
		if v.Links > 65000 {
			v.Links = 1
		}
	}
	return out
}

// extra is the upper half of a time, computed from the description of ext4 and not
// by the code under test: two bits of epoch, each 2^32 seconds, below nanoseconds.
func extra(sec int64, nsec int32) uint32 {
	epoch := (sec + 1<<31) >> 32
	return uint32(nsec)<<2 | uint32(epoch)
}

// reader collects the output of debugfs.
type reader struct {
	t     testing.TB
	image string
	tmp   string
	views map[string]*view // by inode number
}

// batch runs commands and returns the output of each.
func (r *reader) batch(cmds []string) []string {
	r.t.Helper()
	if len(cmds) == 0 {
		return nil
	}
	file := filepath.Join(r.tmp, "cmds")
	if err := os.WriteFile(file, []byte(strings.Join(cmds, "\n")+"\n"), 0o600); err != nil {
		r.t.Fatal(err)
	}
	out := tool(r.t, "debugfs", "-f", file, r.image)
	var answers []string
	for i, c := range cmds {
		_, rest, ok := strings.Cut(out, "debugfs: "+c+"\n")
		if !ok {
			r.t.Fatalf("debugfs did not run %q", c)
		}
		answer := rest
		if i+1 < len(cmds) {
			if k := strings.Index(rest, "debugfs: "+cmds[i+1]+"\n"); k >= 0 {
				answer = rest[:k]
			}
		}
		answers, out = append(answers, answer), rest[len(answer):]
	}
	return answers
}

var listLine = regexp.MustCompile(`(?s)^/(\d+)/(\d{6})/-?\d+/-?\d+/([^/]*)/(\d*)/\n`)

// walk lists all directories, level by level.
func (r *reader) walk() {
	r.views["2"] = &view{Names: []string{""}, Xattrs: map[string]string{}}
	level := []string{"2"}
	for len(level) > 0 {
		var cmds, next []string
		for _, ino := range level {
			cmds = append(cmds, "ls -p <"+ino+">")
		}
		for i, out := range r.batch(cmds) {
			up := r.views[level[i]].Names[0]
			for out != "\n" && out != "" {
				m := listLine.FindStringSubmatch(out)
				if m == nil {
					r.t.Fatalf("cannot read %q", out[:min(len(out), 300)])
				}
				out = out[len(m[0]):]
				ino, name := m[1], m[3]
				if ino == "0" || name == "." || name == ".." {
					continue
				}
				if up != "" {
					name = up + "/" + name
				}
				if r.views[ino] == nil {
					r.views[ino] = &view{Xattrs: map[string]string{}}
					if strings.HasPrefix(m[2], "04") {
						next = append(next, ino)
					}
				}
				r.views[ino].Names = append(r.views[ino].Names, name)
			}
		}
		level = next
	}
}

var (
	statFields = map[string]*regexp.Regexp{
		"mode":   regexp.MustCompile(`Mode:\s+(\d+)`),
		"type":   regexp.MustCompile(`Type: (.*?)\s+Mode`),
		"user":   regexp.MustCompile(`User:\s+(-?\d+)`),
		"group":  regexp.MustCompile(`Group:\s+(-?\d+)`),
		"size":   regexp.MustCompile(`Size: (\d+)\n`),
		"links":  regexp.MustCompile(`Links: (\d+)`),
		"atime":  regexp.MustCompile(` atime: 0x(\S+)`),
		"ctime":  regexp.MustCompile(` ctime: 0x(\S+)`),
		"mtime":  regexp.MustCompile(` mtime: 0x(\S+)`),
		"crtime": regexp.MustCompile(`crtime: 0x(\S+)`),
		"device": regexp.MustCompile(`Device major/minor number: (\d+):(\d+)`),
		"target": regexp.MustCompile(`(?s)Fast link dest: "(.*)"\n$`),
	}
	xattrLine = regexp.MustCompile(`(?m)^  ((?:user|security|trusted|system)\.\S+) \((\d+)\)`)
	typeBits  = map[string]uint32{
		"regular": tree.Regular, "directory": tree.Dir, "symlink": tree.Symlink,
		"character special": tree.Char, "block special": tree.Block, "FIFO": tree.FIFO, "socket": tree.Socket,
	}
)

// stat fills the views.
func (r *reader) stat() {
	inos := slices.Sorted(maps.Keys(r.views))
	var cmds, lists []string
	for _, ino := range inos {
		cmds = append(cmds, "stat <"+ino+">")
		lists = append(lists, "ea_list <"+ino+">")
	}
	attrs := r.batch(lists)
	var a ask
	for i, out := range r.batch(cmds) {
		v := r.views[inos[i]]
		text := func(name string) string {
			if m := statFields[name].FindStringSubmatch(out); m != nil {
				return m[1]
			}
			return ""
		}
		num := func(name string, base int) int64 {
			n, err := strconv.ParseInt(text(name), base, 64)
			if err != nil {
				r.t.Fatalf("%s of inode %s: %v\n%s", name, inos[i], err, out)
			}
			return n
		}
		v.Mode = uint32(num("mode", 8)) | typeBits[text("type")]
		v.UID, v.GID = uint32(num("user", 10)), uint32(num("group", 10))
		v.Links, v.Size = int(num("links", 10)), num("size", 10)
		v.Mtime, v.Crtime = text("mtime"), text("crtime")
		if text("atime") != v.Mtime || text("ctime") != v.Mtime {
			r.t.Errorf("%s: atime, ctime and mtime differ:\n%s", v.Names[0], out)
		}
		switch v.Mode & tree.TypeMask {
		case tree.Dir:
			v.Size = 0
		case tree.Char, tree.Block:
			m := statFields["device"].FindStringSubmatch(out)
			if m == nil {
				r.t.Fatalf("no device number in\n%s", out)
			}
			major, _ := strconv.Atoi(m[1])
			minor, _ := strconv.Atoi(m[2])
			v.Device = fmt.Sprintf("%d:%d", major, minor)
		case tree.Symlink:
			v.Target = text("target")
		}
		r.xattrs(&a, inos[i], v, attrs[i])
	}
	for i, out := range r.batch(a.cmds) {
		a.then[i](out)
	}
}

// ask collects commands and the functions for their output.
type ask struct {
	cmds []string
	then []func(out string)
}

func (a *ask) add(cmd string, then func(out string)) {
	a.cmds, a.then = append(a.cmds, cmd), append(a.then, then)
}

// xattrs asks for the attributes that ea_list lists, and for the targets of
// symbolic links that are not in the inode.
func (r *reader) xattrs(a *ask, ino string, v *view, list string) {
	for _, m := range xattrLine.FindAllStringSubmatch(list, -1) {
		a.add("ea_get -x <"+ino+"> "+m[1], func(out string) {
			_, value, _ := strings.Cut(out, " = ")
			v.Xattrs[m[1]] = strings.Join(strings.Fields(value), "")
		})
	}
	if v.Mode&tree.TypeMask == tree.Symlink && v.Target == "" {
		file := filepath.Join(r.tmp, "target"+ino)
		a.add("dump <"+ino+"> "+file, func(string) {
			raw, err := os.ReadFile(file)
			if err != nil {
				r.t.Fatal(err)
			}
			v.Target = string(raw)
		})
	}
}

// contents compares all regular files.
func (r *reader) contents(tr *tree.Tree) {
	byName := map[string]string{}
	for ino, v := range r.views {
		byName[v.Names[0]] = ino
	}
	var cmds []string
	var entries []*tree.Entry
	for i := range tr.Entries {
		e := &tr.Entries[i]
		if e.Hardlink == "" && e.Type() == tree.Regular && e.Size > 0 && e.Size <= 1<<24 {
			cmds = append(cmds, fmt.Sprintf("dump <%s> %s", byName[e.Path], filepath.Join(r.tmp, fmt.Sprint(len(cmds)))))
			entries = append(entries, e)
		}
	}
	r.batch(cmds)
	for i, e := range entries {
		got, err := os.ReadFile(filepath.Join(r.tmp, fmt.Sprint(i)))
		if err != nil {
			r.t.Fatal(err)
		}
		want := make([]byte, e.Size)
		if e.Content != nil {
			if n, err := e.Content.ReadAt(want, 0); n < len(want) {
				r.t.Fatal(err)
			}
		}
		if !bytes.Equal(got, want) {
			r.t.Errorf("/%s: contents differ", e.Path)
		}
	}
}
