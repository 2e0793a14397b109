// SPDX-License-Identifier: MPL-2.0

package kind

import (
	"slices"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range FileSystems() {
		for _, name := range append([]string{k.Name}, k.Older...) {
			if name == "" || seen[name] {
				t.Errorf("the name %q is there twice, or empty", name)
			}
			seen[name] = true
		}
		switch {
		case k.Tree && !k.Items:
			t.Errorf("%s takes a directory and no files", k.Name)
		case k.Serial && (k.UUID || k.Label == 0):
			t.Errorf("%s has a serial number, and a UUID or no label", k.Name)
		case k.Of && (k.Items || k.Hashed):
			t.Errorf("%s is of another partition and has files or a hash tree", k.Name)
		}
		got, ok := ByName(k.Name)
		if !ok || got.Name != k.Name {
			t.Errorf("%s by its name: %v, %v", k.Name, got.Name, ok)
		}
	}
	if _, ok := ByName("ext2"); ok {
		t.Error("ext2 is written")
	}
}

func TestWords(t *testing.T) {
	if got := Names(func(k FileSystem) bool { return k.Serial }); !slices.Equal(got, []string{"fat32", "fat16"}) {
		t.Errorf("with a serial number: %v", got)
	}
	if got := Choice(Roots()); !strings.HasPrefix(got, "ext2, ext3, ext4") || !strings.Contains(got, " or ") {
		t.Errorf("roots: %s", got)
	}
	if got := Choice([]string{"one"}); got != "one" {
		t.Errorf("a choice of one: %q", got)
	}
	if got := Compressions(); !slices.Equal(got, slices.Compact(slices.Clone(got))) || len(got) == 0 || len(Profiles()) == 0 {
		t.Errorf("compressions %v, profiles %v", got, Profiles())
	}
}
