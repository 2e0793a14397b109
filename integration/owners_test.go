// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tarFiles are the files of an image, by path: what each is, on one line.
type tarFiles map[string]string

// archiveFiles are the files of the image in a docker archive.
func archiveFiles(t *testing.T, file string) tarFiles {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	members := map[string][]byte{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			members[h.Name], err = io.ReadAll(r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var manifest []struct{ Layers []string }
	if err := json.Unmarshal(members["manifest.json"], &manifest); err != nil || len(manifest) != 1 {
		t.Fatalf("%d images: %v", len(manifest), err)
	}
	files := tarFiles{}
	for _, layer := range manifest[0].Layers {
		files.apply(t, members[layer])
	}
	return files
}

// apply puts a layer on top.
func (fs tarFiles) apply(t *testing.T, layer []byte) {
	t.Helper()
	var in io.Reader = bufio.NewReader(bytes.NewReader(layer))
	if bytes.HasPrefix(layer, []byte{0x1f, 0x8b}) {
		var err error
		if in, err = gzip.NewReader(in); err != nil {
			t.Fatal(err)
		}
	}
	added := tarFiles{}
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := path.Clean("/" + h.Name)
		if base, gone := strings.CutPrefix(path.Base(name), ".wh."); gone {
			if base == ".wh..opq" {
				fs.remove(path.Dir(name), false)
			} else {
				fs.remove(path.Join(path.Dir(name), base), true)
			}
			continue
		}
		added[name] = describe(t, h, r)
	}
	for name, what := range added {
		if old, ok := fs[name]; ok && (old[0] == tar.TypeDir) != (what[0] == tar.TypeDir) {
			fs.remove(name, true)
		}
	}
	maps.Copy(fs, added)
}

// remove removes what is below a name and, with itself, the name.
func (fs tarFiles) remove(name string, itself bool) {
	for n := range fs {
		if itself && n == name || strings.HasPrefix(n, strings.TrimSuffix(name, "/")+"/") {
			delete(fs, n)
		}
	}
}

// describe says what a member is: type, mode, owner, device numbers, target of a link,
// extended attributes (capabilities among them) and a digest of the content.
func describe(t *testing.T, h *tar.Header, content io.Reader) string {
	t.Helper()
	sum := sha256.New()
	if _, err := io.Copy(sum, content); err != nil {
		t.Fatal(err)
	}
	kind := h.Typeflag
	if kind == 0 {
		kind = tar.TypeReg
	}
	line := fmt.Sprintf("%c %04o %d:%d %d,%d", kind, h.Mode&0o7777, h.Uid, h.Gid, h.Devmajor, h.Devminor)
	if h.Linkname != "" {
		line += " -> " + h.Linkname
	}
	for _, k := range slices.Sorted(maps.Keys(h.PAXRecords)) {
		if strings.HasPrefix(k, "SCHILY.xattr.") {
			line += fmt.Sprintf(" %s=%x", k[len("SCHILY.xattr."):], h.PAXRecords[k])
		}
	}
	if kind == tar.TypeReg {
		line += fmt.Sprintf(" %x", sum.Sum(nil)[:8])
	}
	return line
}

// without takes the digest off the files whose content is another one each time.
func (fs tarFiles) without(changing *regexp.Regexp) tarFiles {
	out := maps.Clone(fs)
	for name, line := range fs {
		if line[0] == tar.TypeReg && changing.MatchString(name) {
			out[name] = line[:strings.LastIndexByte(line, ' ')]
		}
	}
	return out
}

// unlike are the files that are not the same in two images.
func unlike(got, want tarFiles) string {
	var g, w []string
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if got[name] != want[name] {
			g = append(g, name+" "+got[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			w = append(w, name+" "+want[name])
		}
	}
	return cmp.Diff(g, w)
}

// ownersOfBusybox gives files owners, modes and attributes in every way that needs no other
// program than busybox. What differs between users of a step is left in files.
const ownersOfBusybox = `
	<buildstage id="all"><prestage>base</prestage>
		<action>WORKDIR /srv</action>
		<action>RUN mkdir -p /etc /tmp; chmod 1777 /tmp; printf 'root:x:0:0::/:/bin/sh\nweb:x:33:44::/srv:/bin/sh\n' &gt;/etc/passwd; printf 'root:x:0:\nweb:x:44:\nlog:x:7:web\n' &gt;/etc/group</action>
		<action>RUN echo a &gt;a; chown 33:44 a; chmod 4750 a; ln a b; ln -s a c; chown -h 5:6 c; mkfifo p; chown 7:8 p; mkdir d e; chown 9:10 e; chmod 2775 e; touch e/f d/gone</action>
		<action>RUN rm d/gone; rm -r d; mkdir d; chown web:log d; touch b; mv c d/c; chmod 600 p; chown 0:0 e/f</action>
		<action>RUN for n in 'c 1 3' 'c 0 0' 'b 8 0'; do mknod n $n; mknod a $n; mknod none/n $n; done &gt;refused 2&gt;&amp;1; ls &gt;&gt;refused</action>
		<action>RUN cp /bin/busybox /bin/su2; ln -s su2 /bin/su3; chmod 4755 /bin/busybox; su web -c 'id; touch /tmp/w; mkdir /tmp/d; ln -s x /tmp/l; mkfifo /tmp/p; chown 0 /tmp/w; chgrp log /tmp/w; chmod 2755 /tmp/w; umask 077; echo &gt;/tmp/d/u' &gt;seen 2&gt;&amp;1; stat -c '%n %u:%g %a %F' /tmp/* * &gt;&gt;seen; chroot / id &gt;&gt;seen</action>
		<action>USER 33:7</action>
		<action>RUN id &gt;/tmp/me; chown 33:7 /srv/a 2&gt;&gt;/tmp/me; true</action>
	</buildstage></redo>`

// Steps leave the same in a namespace with one id as in one with ranges of them.
func TestOwnersOfSandboxes(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", "<redo>"+base(t)+ownersOfBusybox)
	var all []tarFiles
	for _, sandbox := range []string{"userns", "single-id"} {
		w.ok(t, program(t), "--progress=plain", "--sandbox", sandbox, "a.xml", "-B", "b")
		w.ok(t, program(t), "--sandbox", sandbox, "export", "b:all", "--to", "docker-archive:"+sandbox+".tar:x:1")
		all = append(all, archiveFiles(t, w.work+"/"+sandbox+".tar"))
	}
	if len(all[0]) < 250 {
		t.Fatalf("the image has just %d files", len(all[0]))
	}
	if diff := unlike(all[1], all[0]); diff != "" {
		t.Errorf("(-single-id +userns):\n%s", diff)
	}
}
