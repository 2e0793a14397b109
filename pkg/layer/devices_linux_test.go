// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/carosio/carosbuild/pkg/sealed"
)

func TestDevices(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	device := func(name string, typ byte, major, minor int64) member {
		return member{Header: tar.Header{Typeflag: typ, Name: name, Mode: 0o666, Uid: 1, Gid: 5, Devmajor: major, Devminor: minor}}
	}
	layers := [][]member{
		{
			dir("dev/"), device("./dev/null", tar.TypeChar, 1, 3), device("dev/sda", tar.TypeBlock, 8, 0), reg("big", "some content that is skipped"),
			device("dev/d/one", tar.TypeChar, 9, 1), device("dev/d/two", tar.TypeChar, 9, 2), device("x/y", tar.TypeChar, 9, 3),
			device("gone", tar.TypeChar, 9, 4), hard("dev/nothing", "/dev/null"), device("lib/z", tar.TypeChar, 9, 5),
		},
		{
			reg(".wh.gone", ""), reg("dev/.wh.sda", ""), dir("dev/d"), device("dev/d/three", tar.TypeChar, 9, 6), reg("dev/d/.wh..wh..opq", ""),
			reg("x", "a file now"), sym("lib", "usr/lib"), device("dev/null", tar.TypeChar, 1, 5),
		},
	}
	parent := ""
	for _, l := range layers {
		stream := makeTar(t, l...)
		got, err := s.Apply(t.Context(), parent, bytes.NewReader(stream), v1.Hash{})
		if err != nil {
			t.Fatal(err)
		}
		var again bytes.Buffer
		if err := s.WriteTar(got, &again); err != nil || !bytes.Equal(again.Bytes(), stream) {
			t.Errorf("the stream given back differs, %v", err)
		}
		parent = got.ID
	}
	devices, err := s.Devices(parent)
	if err != nil {
		t.Fatal(err)
	}
	want := []Device{{Path: "dev/d/three", Major: 9, Minor: 6}, {Path: "dev/nothing", Major: 1, Minor: 3}, {Path: "dev/null", Major: 1, Minor: 5}}
	for i := range want {
		want[i].Mode, want[i].UID, want[i].GID, want[i].ModTime = 0o666, 1, 5, devices[0].ModTime
	}
	if d := cmp.Diff(want, devices); d != "" {
		t.Errorf("devices (-want +got):\n%s", d)
	}
	testNotedDevices(t, s, parent, want)
	// No device is a file, and a step on the layer changes nothing.
	root, release, err := s.View(t.Context(), parent)
	if err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(filepath.Join(root, "dev"))
	if err != nil || len(names) != 1 || names[0].Name() != "d" {
		t.Errorf("dev: %v %v", names, err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}

// testNotedDevices asks again: the note is used, for the layer and those on it, unless it
// is damaged.
func testNotedDevices(t *testing.T, s *Store, id string, want []Device) {
	t.Helper()
	check := func(what, id string, want []Device) {
		t.Helper()
		got, err := s.Devices(id)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", what, err, d)
		}
	}
	check("noted", id, want)
	if err := sealed.Write(s.devicesFile(id), want[:1]); err != nil {
		t.Fatal(err)
	}
	check("another note", id, want[:1])
	top, err := s.Apply(t.Context(), id, bytes.NewReader(makeTar(t, reg("more", "x"))), v1.Hash{})
	if err != nil {
		t.Fatal(err)
	}
	check("on top of another note", top.ID, want[:1])
	if err := os.WriteFile(s.devicesFile(id), []byte(`{"record":[],"sha256":"00"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	check("a damaged note", id, want)
	if err := s.RemoveLayer(top.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.devicesFile(top.ID)); err == nil {
		t.Error("the note of a removed layer is still there")
	}
}

// An owner that is not mapped in the namespace is refused by name.
func TestApplyForeignOwner(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	for _, m := range []member{with(reg("f", ""), func(h *tar.Header) { h.Uid = 1 << 30 }), with(dir("d"), func(h *tar.Header) { h.Gid = 1 << 30 })} {
		_, err := s.Apply(t.Context(), "", bytes.NewReader(makeTar(t, m)), v1.Hash{})
		if err == nil || !slices.ContainsFunc([]string{"user id 1073741824", "group id 1073741824"}, func(w string) bool { return bytes.Contains([]byte(err.Error()), []byte(w)) }) {
			t.Errorf("got %v", err)
		}
	}
	layers, err := s.store.Layers()
	if err != nil || len(layers) != 0 {
		t.Errorf("layers after refusals: %v %v", layers, err)
	}
}
