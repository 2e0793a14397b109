// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// podmanExport is the root file system of a stage as podman sees it: a line
// for each path with type, mode, owner, time, size, target, device, attributes
// and the digest of the content.
func podmanExport(t *testing.T, v vmware, stage string) map[string]string {
	t.Helper()
	podman := tool(t, "podman")
	id := strings.TrimSpace(v.ok(t, podman, "create", "localhost/carosbuild/"+v.buildID+":"+stage, "/bin/true").stdout)
	defer v.run(t, podman, "rm", id)
	cmd := v.command(t.Context(), podman, "export", id)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	entries := tarEntries(t, out)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("podman export: %v\n%s", err, errs.String())
	}
	return entries
}

// entry is what is compared of a path.
type entry struct {
	kind    string // -dlcbps
	mode    int64
	uid     int
	gid     int
	mtime   int64
	nsec    int
	size    int64
	link    string
	device  string
	attrs   string
	content string
}

func (e entry) String() string {
	return fmt.Sprintf("%s%04o %d:%d %d.%09d %d %q %s %s %s", e.kind, e.mode, e.uid, e.gid, e.mtime, e.nsec, e.size, e.link, e.device, e.attrs, e.content)
}

func tarEntries(t *testing.T, r io.Reader) map[string]string {
	t.Helper()
	kinds := map[byte]string{tar.TypeReg: "-", tar.TypeDir: "d", tar.TypeSymlink: "l", tar.TypeChar: "c", tar.TypeBlock: "b", tar.TypeFifo: "p"}
	all := map[string]entry{}
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.Trim(filepath.Clean("/"+h.Name), "/")
		if h.Typeflag == tar.TypeLink {
			all[name] = all[strings.Trim(filepath.Clean("/"+h.Linkname), "/")]
			continue
		}
		e := entry{kind: kinds[h.Typeflag], mode: h.Mode & 0o7777, uid: h.Uid, gid: h.Gid, mtime: h.ModTime.Unix(), nsec: h.ModTime.Nanosecond(), link: h.Linkname}
		if h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock {
			e.device = fmt.Sprintf("%d:%d", h.Devmajor, h.Devminor)
		}
		var attrs []string
		for k, value := range h.PAXRecords {
			if k, ok := strings.CutPrefix(k, "SCHILY.xattr."); ok {
				attrs = append(attrs, k+"="+hex.EncodeToString([]byte(value)))
			}
		}
		slices.Sort(attrs)
		e.attrs = strings.Join(attrs, ",")
		if h.Typeflag == tar.TypeReg {
			sum := sha256.New()
			if e.size, err = io.Copy(sum, tr); err != nil {
				t.Fatal(err)
			}
			e.content = hex.EncodeToString(sum.Sum(nil))
		}
		all[name] = e
	}
	out := map[string]string{}
	for name, e := range all {
		out[name] = e.String()
	}
	return out
}

// debugfsEntries reads a whole ext4 file system with debugfs.
func debugfsEntries(t *testing.T, w *world, image string) map[string]string {
	t.Helper()
	debugfs := tool(t, "debugfs")
	dump := filepath.Join(w.dir, "dump")
	if err := os.MkdirAll(dump, 0o700); err != nil {
		t.Fatal(err)
	}
	// Owners cannot be given by an ordinary user, which is said and does not
	// matter: they are read from the inodes.
	w.run(t, debugfs, "-R", "rdump / "+dump, image)
	defer os.RemoveAll(dump)
	defer exec.Command("chmod", "-R", "u+rwX", dump).Run()

	var names []string
	if out, err := exec.Command("chmod", "-R", "u+rwX", dump).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	err := filepath.WalkDir(dump, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dump, path)
		names = append(names, rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	for _, n := range names {
		fmt.Fprintf(&script, "stat \"/%s\"\n", strings.TrimPrefix(n, "."))
	}
	cmd := w.command(t.Context(), debugfs, "-f", "/dev/stdin", image)
	cmd.Stdin = strings.NewReader(script.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("debugfs: %v", err)
	}
	all := parseStats(t, out)
	if len(all) != len(names) {
		t.Fatalf("debugfs told of %d of %d paths", len(all), len(names))
	}
	result := map[string]string{}
	for i, n := range names {
		e := all[i]
		switch e.kind {
		case "-":
			data, err := os.Open(filepath.Join(dump, n))
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.New()
			if _, err := io.Copy(sum, data); err != nil {
				t.Fatal(err)
			}
			data.Close()
			e.content = hex.EncodeToString(sum.Sum(nil))
		case "l":
			if e.link, err = os.Readlink(filepath.Join(dump, n)); err != nil {
				t.Fatal(err)
			}
		}
		result[strings.TrimPrefix(n, ".")] = e.String()
	}
	return result
}

var (
	statHead  = regexp.MustCompile(`^Inode: \d+ +Type: ([a-zA-Z ]+?) +Mode: +(\d+) +Flags: `)
	statOwner = regexp.MustCompile(`^User: +(\d+) +Group: +(\d+).*Size: (\d+)`)
	statTime  = regexp.MustCompile(`^ mtime: 0x([0-9a-f]+):([0-9a-f]+)`)
	statAttr  = regexp.MustCompile(`^  ([a-z_.0-9A-Z-]+) \((\d+)\) = (.*)$`)
	aclAttrs  = regexp.MustCompile(`,?system\.posix_acl_[a-z]+=[0-9a-f]+`)
	statDev   = regexp.MustCompile(`Device major/minor number: (\d+):(\d+)`)
)

// parseStats reads the output of many of debugfs's "stat".
func parseStats(t *testing.T, out []byte) []entry {
	t.Helper()
	kinds := map[string]string{"regular": "-", "directory": "d", "symlink": "l", "character special": "c", "block special": "b", "FIFO": "p", "socket": "s"}
	var all []entry
	var e *entry
	sc := bufio.NewScanner(bytes.NewReader(out))
	sc.Buffer(nil, 1<<20)
	number := func(s string, base int) int64 {
		n, err := strconv.ParseInt(s, base, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for sc.Scan() {
		line := sc.Text()
		if m := statHead.FindStringSubmatch(line); m != nil {
			all = append(all, entry{kind: kinds[m[1]], mode: number(m[2], 8) & 0o7777})
			e = &all[len(all)-1]
			continue
		}
		if e == nil {
			continue
		}
		if m := statOwner.FindStringSubmatch(line); m != nil {
			e.uid, e.gid = int(number(m[1], 10)), int(number(m[2], 10))
			if e.kind == "-" {
				e.size = number(m[3], 10)
			}
		} else if m := statTime.FindStringSubmatch(line); m != nil {
			extra := number(m[2], 16)
			e.mtime = int64(int32(number(m[1], 16))) + (extra&3)<<32
			e.nsec = int(extra >> 2)
		} else if m := statAttr.FindStringSubmatch(line); m != nil {
			if e.attrs != "" {
				e.attrs += ","
			}
			e.attrs += m[1] + "=" + strings.ReplaceAll(strings.TrimSpace(m[3]), " ", "")
		} else if m := statDev.FindStringSubmatch(line); m != nil {
			e.device = fmt.Sprintf("%d:%d", number(m[1], 10), number(m[2], 10))
		}
	}
	return all
}

// compareRoot compares every path of the root file system on the disk with the
// stage it was made from.
func compareRoot(t *testing.T, v vmware) {
	want := podmanExport(t, v, "900-release")
	got := debugfsEntries(t, v.world, partition(t, v.world, filepath.Join(v.work, "caros.raw"), "root"))
	delete(got, "lost+found")
	// podman makes these for the container it exports.
	for _, name := range []string{"", "run", "proc", "sys", "dev", "etc", "etc/resolv.conf", "etc/hosts", "etc/hostname", "run/.containerenv", "etc/mtab"} {
		delete(got, name)
		delete(want, name)
	}
	// podman leaves ACLs out of its archive: one is looked at by itself. It is
	// 2, then group adm r-x, mask r-x and so on, as acl(5) has it.
	const acl = "system.posix_acl_access=01000000010007000400050008000500040000001000050020000500"
	if !strings.Contains(got["var/log/journal"], acl) {
		t.Errorf("/var/log/journal has no ACL: %s", got["var/log/journal"])
	}
	for name, e := range got {
		got[name] = aclAttrs.ReplaceAllString(e, "")
	}
	if len(got) < 15000 {
		t.Errorf("only %d paths were compared", len(got))
	}
	leaveOut(t, got, want)
	bad := 0
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			if bad++; bad <= 20 {
				t.Errorf("/%s\n on the disk %s\n in the stage %s", name, got[name], want[name])
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			if bad++; bad <= 20 {
				t.Errorf("/%s is on the disk only: %s", name, got[name])
			}
		}
	}
	t.Logf("%d paths compared, %d differ", len(want), bad)
}

// leftOut are the names of what <generalize> takes away; of /var/log only files.
var leftOut = regexp.MustCompile(`^(etc/ssh/ssh_host_[^/]*|var/lib/dbus/machine-id|var/lib/systemd/(random-seed|credential\.secret)` +
	`|etc/(passwd|group|shadow|gshadow|subuid|subgid)-|etc/\.pwd\.lock|var/lib/apt/lists/.*|var/cache/apt/[^/]*\.bin|var/cache/debconf/[^/]*-old` +
	`|var/lib/dpkg/[^/]*-old|var/cache/ldconfig/aux-cache|var/cache/man/.*|tmp/.*|var/tmp/.*|(.*/)?__pycache__(/.*)?|var/log/.*)$`)

// leaveOut takes what the disk is not to have out of what the stage has, and
// finds none of it on the disk.
func leaveOut(t *testing.T, disk, stage map[string]string) {
	t.Helper()
	isLeft := func(name, e string) bool {
		return leftOut.MatchString(name) && (!strings.HasPrefix(name, "var/log/") || strings.HasPrefix(e, "-"))
	}
	for name, e := range stage {
		if isLeft(name, e) {
			delete(stage, name)
		}
	}
	for name, e := range disk {
		if isLeft(name, e) {
			t.Errorf("/%s is on the disk", name)
		}
	}
	if e := disk["etc/machine-id"]; !strings.Contains(e, ` 0 ""`) {
		t.Errorf("/etc/machine-id is not an empty file: %s", e)
	}
	delete(stage, "etc/machine-id")
	delete(disk, "etc/machine-id")
}

// differences names what two builds of the target differ in.
func differences(t *testing.T, a, b vmware) string {
	x, y := podmanExport(t, a, "900-release"), podmanExport(t, b, "900-release")
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(x)) {
		if x[name] != y[name] {
			fmt.Fprintf(&out, "/%s\n  %s\n  %s\n", name, x[name], y[name])
		}
	}
	for name := range y {
		if _, ok := x[name]; !ok {
			fmt.Fprintf(&out, "/%s only in the second\n", name)
		}
	}
	return out.String()
}
