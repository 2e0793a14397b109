// SPDX-License-Identifier: MPL-2.0

package unpack

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/debfile"
)

const dpkgDir = "var/lib/dpkg"

func isEOF(err error) bool { return errors.Is(err, io.EOF) }

// infoName is the stem of a package's files in dpkg's info directory.
func (p *unpacked) infoName(arch string) string {
	if p.control.stanza.Get("Multi-Arch") == "same" {
		return p.Name + ":" + arch
	}
	return p.Name
}

// writeDatabase writes dpkg's database (dpkg 1.17 and later, format 1) as
// "dpkg --unpack" of all packages leaves it, and the files of /etc and
// /var/lib that dpkg, apt and debootstrap's users expect.
func (u *unpacking) writeDatabase(packages []*unpacked) error {
	w := &dbWriter{dirs: newDirCache(u.root)}
	defer w.dirs.close()
	for _, d := range []string{"alternatives", "info", "parts", "triggers", "updates"} {
		w.mkdir(path.Join(dpkgDir, d))
	}
	for _, d := range []string{
		"etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d",
		"var/cache/apt/archives/partial", "var/lib/apt/lists/partial", "var/log/apt", "etc/dpkg/dpkg.cfg.d",
	} {
		w.mkdir(d)
	}
	byName := slices.SortedFunc(slices.Values(packages), func(a, b *unpacked) int { return strings.Compare(a.Name, b.Name) })
	var status strings.Builder
	for _, p := range byName {
		status.WriteString(p.statusStanza())
		status.WriteByte('\n')
		w.writeInfo(p, p.infoName(u.Arch))
	}
	w.file(path.Join(dpkgDir, "status"), status.String())
	w.file(path.Join(dpkgDir, "arch"), u.Arch+"\n")
	w.file(path.Join(dpkgDir, "info/format"), "1\n")
	w.writeTriggers(byName, u.Arch)
	w.file("var/lib/apt/extended_states", u.States)
	w.file("etc/apt/sources.list", u.Sources)
	if u.owners["etc/fstab"] == nil {
		w.file("etc/fstab", "# UNCONFIGURED FSTAB FOR BASE SYSTEM\n")
	}
	return w.err
}

// statusStanza is the package's control file with the fields that dpkg adds. dpkg
// sorts the fields when it next writes the file.
func (p *unpacked) statusStanza() string {
	out := debfile.Stanza{{Name: "Package", Value: p.Name}, {Name: "Status", Value: "install ok unpacked"}}
	for _, f := range p.control.stanza {
		if !strings.EqualFold(f.Name, "Package") && !strings.EqualFold(f.Name, "Status") && !strings.EqualFold(f.Name, "Conffiles") {
			out = append(out, f)
		}
	}
	var conffiles strings.Builder
	for _, c := range p.conffiles {
		conffiles.WriteString("\n " + c.path + " newconffile")
		if c.gone {
			conffiles.WriteString(" remove-on-upgrade")
		}
	}
	if conffiles.Len() > 0 {
		out = append(out, debfile.Field{Name: "Conffiles", Value: conffiles.String()})
	}
	return out.String()
}

// fileList is the content of a .list file: the archive's names in its order, except
// for those that another package took over.
func (p *unpacked) fileList() string {
	var b strings.Builder
	for _, e := range p.list {
		switch {
		case e.name == ".":
			b.WriteString("/.\n")
		case e.claim == "" || !p.lost[canonical(e.claim)]:
			b.WriteString("/" + e.name + "\n")
		}
	}
	return b.String()
}

// dbWriter writes small files of owner 0 below the root; the first error is kept.
type dbWriter struct {
	dirs *dirCache
	err  error
}

func (w *dbWriter) mkdir(name string) {
	if w.err != nil {
		return
	}
	var fd int
	if fd, w.err = w.dirs.root.openDir(name); w.err == nil {
		w.err = unix.Close(fd)
	}
}

func (w *dbWriter) file(name, content string) { w.fileMode(name, content, 0o644, -1) }

// fileMode writes a file; a negative mtime leaves the current time.
func (w *dbWriter) fileMode(name, content string, mode uint32, mtime int64) {
	if w.err != nil {
		return
	}
	w.err = func() error {
		parent, base, err := w.dirs.parent(name)
		if err != nil {
			return err
		}
		fd, err := unix.Openat(parent, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return &os.PathError{Op: "create", Path: name, Err: err}
		}
		file := os.NewFile(uintptr(fd), name)
		_, err = file.WriteString(content)
		if err2 := unix.Fchmod(fd, mode); err == nil && err2 != nil {
			err = &os.PathError{Op: "chmod", Path: name, Err: err2}
		}
		if err := errors.Join(err, file.Close()); err != nil || mtime < 0 {
			return err
		}
		return setTime(parent, base, mtime)
	}()
}

func (w *dbWriter) writeInfo(p *unpacked, stem string) {
	info := path.Join(dpkgDir, "info", stem)
	for _, m := range p.control.members {
		w.fileMode(info+"."+m.name, string(m.content), m.mode, m.mtime)
	}
	if p.md5sums.Len() > 0 && p.control.member("md5sums") == "" {
		w.file(info+".md5sums", p.md5sums.String())
	}
	w.file(info+".list", p.fileList())
}

// writeTriggers records which package is interested in which trigger
// (deb-triggers(5)): file triggers in one file, named triggers in a file each.
func (w *dbWriter) writeTriggers(packages []*unpacked, arch string) {
	var files strings.Builder
	named := map[string]string{}
	for _, p := range packages {
		interests, err := p.control.interests()
		if err != nil && w.err == nil {
			w.err = fmt.Errorf("package %s: %w", p.Name, err)
		}
		for _, i := range interests {
			who := p.infoName(arch)
			if i.noawait {
				who += "/noawait"
			}
			if path.IsAbs(i.trigger) {
				files.WriteString(i.trigger + " " + who + "\n")
			} else {
				named[i.trigger] += who + "\n"
			}
		}
	}
	dir := path.Join(dpkgDir, "triggers")
	if files.Len() > 0 {
		w.file(path.Join(dir, "File"), files.String())
	}
	w.file(path.Join(dir, "Unincorp"), "")
	for name, who := range named {
		w.file(path.Join(dir, name), who)
	}
}
