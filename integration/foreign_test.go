// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// foreignLayout is an OCI layout with what others' images have and ours do not:
// device nodes, capabilities, attributes, directories without members of their
// own, whiteouts of nothing, times with fractions and of tomorrow.
func foreignLayout(t *testing.T, dir string) {
	t.Helper()
	at := time.Unix(1700000000, 123456789)
	cap2 := "\x01\x00\x00\x02\x00\x04\x00\x00" + strings.Repeat("\x00", 12)
	reg := func(name string, size int, change func(*tar.Header)) tar.Header {
		h := tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(size), ModTime: at, Format: tar.FormatPAX}
		if change != nil {
			change(&h)
		}
		return h
	}
	node := func(name string, kind byte, minor int64) tar.Header {
		return tar.Header{Typeflag: kind, Name: name, Mode: 0o666, Devmajor: 1, Devminor: minor, Gid: 5, ModTime: at, Format: tar.FormatPAX}
	}
	attr := func(kv map[string]string) func(*tar.Header) {
		return func(h *tar.Header) { h.PAXRecords = kv }
	}
	lower := []tar.Header{
		{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755, ModTime: at, Format: tar.FormatPAX},
		{Typeflag: tar.TypeDir, Name: "dev/", Mode: 0o711, Uid: 3, ModTime: at, Format: tar.FormatPAX},
		node("dev/null", tar.TypeChar, 3), node("dev/ram0", tar.TypeBlock, 0), node("dev/gone", tar.TypeChar, 5),
		reg("dev/file", 10, nil), reg("usr/bin/ping", 70000, attr(map[string]string{"SCHILY.xattr.security.capability": cap2})),
		reg("usr/share/.wh.nothing", 0, nil), reg(".wh.nothing", 0, nil),
		reg("note", 1, attr(map[string]string{"SCHILY.xattr.user.note": "n", "SCHILY.xattr.security.selinux": "x", "SCHILY.xattr.trusted.overlay.opaque": "y"})),
		{Typeflag: tar.TypeLink, Name: "usr/bin/ping6", Linkname: "usr/bin/ping", Format: tar.FormatPAX},
		reg("tomorrow", 0, func(h *tar.Header) { h.ModTime = time.Unix(4000000000, 1) }),
	}
	upper := []tar.Header{
		reg("dev/.wh.gone", 0, nil), node("dev/file", tar.TypeChar, 7), reg("usr/bin/ping", 3, nil), reg("usr/lib/deep/er/file", 200000, nil),
		{Typeflag: tar.TypeSymlink, Name: "bin", Linkname: "usr/bin", ModTime: at, Format: tar.FormatPAX},
	}
	blob := func(b []byte) (string, int) {
		sum := sha256.Sum256(b)
		name := hex.EncodeToString(sum[:])
		path := filepath.Join(dir, "blobs", "sha256", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return "sha256:" + name, len(b)
	}
	type object = map[string]any
	document := func(mediaType string, v any) object {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		digest, size := blob(b)
		return object{"mediaType": mediaType, "digest": digest, "size": size}
	}
	var layers []object
	var ids []string
	for _, members := range [][]tar.Header{lower, upper} {
		var buf bytes.Buffer
		w := tar.NewWriter(&buf)
		for _, h := range members {
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(bytes.Repeat([]byte{byte(h.Size)}, int(h.Size))); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		digest, size := blob(buf.Bytes())
		layers = append(layers, object{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": size})
		ids = append(ids, digest)
	}
	config := document("application/vnd.oci.image.config.v1+json", object{"architecture": "amd64", "os": "linux", "rootfs": object{"type": "layers", "diff_ids": ids}})
	const manifest = "application/vnd.oci.image.manifest.v1+json"
	m := document(manifest, object{"schemaVersion": 2, "mediaType": manifest, "config": config, "layers": layers})
	index, err := json.Marshal(object{"schemaVersion": 2, "manifests": []object{m}})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "index.json"), index, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// An image of others, with a step on top and without, gives one disk, by the
// store and by its layers, with a date and without.
func TestDiskOfForeignImage(t *testing.T) {
	for _, epoch := range []string{"", "SOURCE_DATE_EPOCH=1700000001"} {
		w := newWorld(t)
		if epoch != "" {
			w.setenv(epoch)
		}
		foreignLayout(t, filepath.Join(w.work, "image"))
		w.file(t, "a.xml", `<redo>
			<buildstage id="image"><action>FROM oci:image</action></buildstage>
			<buildstage id="more"><prestage>image</prestage><action>ADD a.xml /dev/added</action></buildstage>
			<disk id="image" stage="image" size="32M"><partition name="root" fs="ext4" size="rest" path="/"/></disk>
			<disk id="more" stage="more" size="32M"><partition name="root" fs="ext4" size="rest" path="/"/></disk></redo>`)
		for _, id := range []string{"image", "more"} {
			w.build(t, "a.xml", "-B", "b-"+id, "--disk", id, "--out", "d.raw")
			want := sha256Of(t, filepath.Join(w.work, "d.raw"))
			w.ok(t, tool(t, "e2fsck"), "-fn", partition(t, w, filepath.Join(w.work, "d.raw"), "root"))
			w.ok(t, program(t), "export", "b-"+id+":"+id, "--to", "docker-archive:"+id+".tar")
			sources := []string{"b-" + id + ":" + id, "docker-archive:" + id + ".tar"}
			if id == "image" {
				sources = append(sources, "oci:image")
			}
			for _, source := range sources {
				w.ok(t, program(t), "disk", source, "-d", "a.xml", "--disk", id, "--out", "d.raw")
				if sha256Of(t, filepath.Join(w.work, "d.raw")) != want {
					t.Errorf("%s with %q: the disk differs from the built one", source, epoch)
				}
			}
		}
		debugfs := func(command string) string {
			return w.ok(t, tool(t, "debugfs"), "-R", command, partition(t, w, filepath.Join(w.work, "d.raw"), "root")).stdout
		}
		for command, want := range map[string]string{
			"stat /dev/null":        "Device major/minor number: 01:03",
			"stat /dev/file":        "Device major/minor number: 01:07", // not the file of the lower layer
			"stat /dev/ram0":        "Type: block special",
			"stat /note":            "user.note",
			"stat /dev":             "User:     3",
			"stat /usr/bin/ping6":   "security.capability",
			"stat /usr/bin/nothing": "",
		} {
			if out := debugfs(command); !strings.Contains(out, want) || want == "" && strings.Contains(out, "Inode:") {
				t.Errorf("debugfs %s: no %q in\n%s", command, want, out)
			}
		}
	}
}
