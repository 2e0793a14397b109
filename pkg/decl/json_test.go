// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/targets"
)

// declared are the disks of all available declarations: the built-in targets, the
// published ones and those of this test.
func declared(t *testing.T) map[string][]*Disk {
	t.Helper()
	disks := map[string][]*Disk{"everything": parse(t, everything).Disks}
	err := fs.WalkDir(targets.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".xml" {
			return err
		}
		data, err := fs.ReadFile(targets.FS, name)
		disks[name] = parsed(name, data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir("../../../shared/declarations", func(name string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".xml" {
			return err
		}
		data, err := os.ReadFile(name)
		disks[name] = parsed(name, data)
		return err
	})
	if err != nil && os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
		t.Fatal("the published declarations are not here: ", err)
	}
	return disks
}

// parsed are the disks of a file, which may refer to stages of others.
func parsed(name string, data []byte) []*Disk {
	if d, _ := Parse(Source{Name: name, Data: data}); d != nil {
		return d.Disks
	}
	return nil
}

// A disk is handed to another process as JSON, and must be the same there.
func TestDiskJSON(t *testing.T) {
	seen, kinds := 0, map[ItemKind]bool{}
	for name, disks := range declared(t) {
		for _, want := range disks {
			data, err := json.Marshal(want)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var got *Disk
			if err := json.Unmarshal(data, &got); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("%s: disk %s (-got +want):\n%s", name, want.ID, diff)
			}
			seen++
			for _, p := range want.Partitions {
				for _, it := range p.Items {
					kinds[it.Kind()] = true
				}
			}
		}
	}
	if seen < 12 || len(kinds) != len(grammar["partition"].kids) {
		t.Errorf("%d disks with items of the kinds %v", seen, kinds)
	}
}

func TestItemsJSON(t *testing.T) {
	for _, bad := range []string{`[{"Kind":"nothing","Item":{}}]`, `[{"Kind":"copy","Item":{"From":1}}]`, `[{"Kind":"copy"}]`, `[null]`, `{}`} {
		var items Items
		if err := json.Unmarshal([]byte(bad), &items); err == nil {
			t.Errorf("%s was read as %v", bad, items)
		}
	}
	var none Items
	data, err := json.Marshal(none)
	if err != nil || string(data) != "null" {
		t.Errorf("no items: %s, %v", data, err)
	}
	if items := (Items{&CopyItem{}}); json.Unmarshal(data, &items) != nil || items != nil {
		t.Errorf("null was read as %v", items)
	}
	if _, err := json.Marshal(Items{nil}); err == nil || !strings.Contains(err.Error(), "nil") {
		t.Errorf("an item that is nil: %v", err)
	}
}
