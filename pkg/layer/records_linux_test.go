// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/google/go-cmp/cmp"
)

// fakeStore makes what Records reads of a store: layers, listed as complete or not.
func fakeStore(t *testing.T, layers map[string]bool) string {
	t.Helper()
	graph := t.TempDir()
	var index []map[string]any
	for id, complete := range layers {
		if err := os.MkdirAll(filepath.Join(graph, "overlay", id, "diff"), 0o700); err != nil {
			t.Fatal(err)
		}
		index = append(index, map[string]any{"id": id, "flags": map[string]any{"incomplete": !complete}})
	}
	b, err := json.Marshal(index)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"overlay-layers", "carosbuild/pending"} {
		if err := os.MkdirAll(filepath.Join(graph, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(graph, "overlay-layers", "layers.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	return graph
}

func TestRecords(t *testing.T) {
	good, half, gone := strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("c", 64)
	graph := fakeStore(t, map[string]bool{good: true, half: false})
	dir := filepath.Join(t.TempDir(), "records")
	r := OpenRecords(dir, graph)
	if _, ok, err := r.Lookup("k"); ok || err != nil {
		t.Errorf("before any record: %t %v", ok, err)
	}
	want := Record{Key: "k", Layer: good, Config: json.RawMessage(`{"env":["A=<&>"]}`)}
	for _, rec := range []Record{want, {Key: "half", Layer: half}, {Key: "gone", Layer: gone}, {Key: "none"}, {Key: "path", Layer: "../../etc"}} {
		if err := r.Put(rec); err != nil {
			t.Fatal(err)
		}
	}
	got, ok, err := r.Lookup("k")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	var a, b any
	if err := json.Unmarshal(got.Config, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(want.Config, &b); err != nil {
		t.Fatal(err)
	}
	got.Config, want.Config = nil, nil
	if d := cmp.Diff(want, got) + cmp.Diff(b, a); d != "" {
		t.Error(d)
	}
	for key, want := range map[string]bool{"k": true, "half": false, "gone": false, "none": true, "path": false} {
		if _, ok, err := r.Lookup(key); ok != want || err != nil {
			t.Errorf("%s: %t %v, want %t", key, ok, err, want)
		}
	}
	for _, key := range []string{"", "..", ".hidden", "a/b", "a b", strings.Repeat("x", 300)} {
		if err := r.Put(Record{Key: key}); err == nil {
			t.Errorf("key %q is accepted", key)
		}
	}
	all, err := r.All()
	if err != nil || len(all) != 2 {
		t.Errorf("all: %v %v", all, err)
	}
	if err := os.Rename(filepath.Join(dir, "k"), filepath.Join(dir, "other")); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := r.Lookup("other"); ok {
		t.Error("a record counts under another key")
	}
}

// Whatever happens to the bytes of a record, it is undamaged or does not count.
func TestRecordDamage(t *testing.T) {
	graph := fakeStore(t, nil)
	dir := t.TempDir()
	r := OpenRecords(dir, graph)
	if err := r.Put(Record{Key: "k", Config: json.RawMessage(`"x"`)}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "k")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	damaged := [][]byte{nil, whole[:len(whole)/2], make([]byte, len(whole)), []byte(strings.Replace(string(whole), `"x"`, `"y"`, 1))}
	for i := range whole {
		b := append([]byte{}, whole...)
		b[i] ^= 0x20
		damaged = append(damaged, b)
	}
	for _, b := range damaged {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		got, ok, err := r.Lookup("k")
		if err != nil || ok && string(got.Config) != `"x"` {
			t.Errorf("%q: %v %t %v", b, got, ok, err)
		}
	}
}

// A layer from another boot that was not synced does not count; one from this boot does.
func TestRecordAfterPowerCut(t *testing.T) {
	id := strings.Repeat("a", 64)
	graph := fakeStore(t, map[string]bool{id: true})
	r := OpenRecords(t.TempDir(), graph)
	if err := r.Put(Record{Key: "k", Layer: id}); err != nil {
		t.Fatal(err)
	}
	now, err := bootID()
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]bool{"": true, now + ":wip-1": true, "11111111-1111-1111-1111-111111111111:wip-1": false, "rubbish": false} {
		mark := filepath.Join(graph, "carosbuild", "pending", id)
		os.Remove(mark)
		if target != "" {
			if err := os.Symlink(target, mark); err != nil {
				t.Fatal(err)
			}
		}
		if _, ok, err := r.Lookup("k"); ok != want || err != nil {
			t.Errorf("mark %q: %t %v, want %t", target, ok, err, want)
		}
	}
}

// Opening a store removes layers from an earlier boot that were not synced, and the layers
// based on them.
func TestPowerCut(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dir := t.TempDir()
	s := openStoreAt(t, dir)
	top, id := buildSample(t, s)
	chain, err := s.Chain(top.ID)
	if err != nil {
		t.Fatal(err)
	}
	mark := filepath.Join(dir, "graph/carosbuild/pending", chain[1].ID)
	if err := s.sync.flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(mark); !os.IsNotExist(err) {
		t.Error("a mark is there after the sync:", err)
	}
	if err := os.Symlink("earlier-boot:wip-1", mark); err != nil {
		t.Fatal(err)
	}
	again := openStoreAt(t, dir)
	for i, want := range []bool{true, false, false} {
		if _, ok := again.Layer(chain[i].ID); ok != want {
			t.Errorf("layer %d: %t, want %t", i, ok, want)
		}
	}
	if _, ok, err := again.ImageByName(id); ok || err != nil {
		t.Errorf("the image is there: %t %v", ok, err)
	}
	if _, err := os.Lstat(mark); !os.IsNotExist(err) {
		t.Error("the mark is there:", err)
	}
}

// The chain of a layer is read from the store's list; an incomplete chain is nil.
func TestChainOfRecords(t *testing.T) {
	ids := []string{strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("c", 64), strings.Repeat("e", 64)}
	graph := fakeStore(t, map[string]bool{ids[0]: true, ids[1]: true, ids[2]: true, ids[3]: true})
	diff := func(n string) string { return "sha256:" + strings.Repeat(n, 64) }
	index := []map[string]string{
		{"id": ids[0], "diff-digest": diff("0")},
		{"id": ids[1], "parent": ids[0], "diff-digest": diff("1")},
		{"id": ids[2], "parent": ids[1]},
		{"id": ids[3], "parent": ids[3], "diff-digest": diff("3")}, // not a digest, and its own parent
	}
	b, err := json.Marshal(index)
	if err == nil {
		err = os.WriteFile(filepath.Join(graph, "overlay-layers", "layers.json"), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := OpenRecords(t.TempDir(), graph)
	for id, want := range map[string]string{"": "[]", ids[0]: "[" + diff("0") + "]", ids[1]: "[" + diff("0") + " " + diff("1") + "]", ids[2]: "[]", "gone": "[]"} {
		if err := r.Put(Record{Key: "k", Layer: id}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.Lookup("k"); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(r.Chain(id)); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
	r.Chain(ids[3]) // ends
}

// The id of a chain is that of its topmost layer, the same as podman's for pulled layers.
func TestTopID(t *testing.T) {
	a, b := oci.DigestOf([]byte("a")), oci.DigestOf([]byte("b"))
	for want, chain := range map[string][]oci.Digest{"": nil, a.Hex: {a}, ChainID(a.Hex, b): {a, b}, ChainID(b.Hex, a): {b, a}} {
		if got := TopID(chain); got != want {
			t.Errorf("%v: %s, want %s", chain, got, want)
		}
	}
}
