// SPDX-License-Identifier: MPL-2.0

package sealed

import (
	"os"
	"path/filepath"
	"testing"
)

type value struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// What was written is read; what is damaged or not there is not.
func TestSealed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dir", "file")
	var got value
	if ok, err := Read(file, &got); ok || err != nil {
		t.Errorf("absent: %t %v", ok, err)
	}
	want := value{"a <name>", 7}
	if err := Write(file, want); err != nil {
		t.Fatal(err)
	}
	if ok, err := Read(file, &got); !ok || err != nil || got != want {
		t.Errorf("got %+v, %t %v", got, ok, err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		for _, damaged := range [][]byte{data[:i], append(append(append([]byte{}, data[:i]...), data[i]^1), data[i+1:]...)} {
			if err := os.WriteFile(file, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if ok, err := Read(file, &got); ok && got != want || err != nil {
				t.Errorf("damage at %d: %+v, %t %v", i, got, ok, err)
			}
		}
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
