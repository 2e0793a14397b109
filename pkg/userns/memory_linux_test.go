// SPDX-License-Identifier: MPL-2.0

package userns

import (
	"os"
	"path/filepath"
	"testing"
)

func TestGroupRoom(t *testing.T) {
	root := t.TempDir()
	for name, content := range map[string]string{
		"job/memory.max": "1000\n", "job/memory.current": "400\n",
		"job/step/memory.max": "max\n", "job/step/memory.current": "300\n",
		"memory/old/memory.limit_in_bytes": "700\n", "memory/old/memory.usage_in_bytes": "500\n",
		"memory/memory.limit_in_bytes": "9223372036854771712\n", "memory/memory.usage_in_bytes": "1\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, groups string
		want         int64
	}{
		{"none", "", 5000},
		{"no limit", "0::/other\n", 5000},
		{"its own", "0::/job\n", 600},
		{"one above", "0::/job/step\n", 600},
		{"version 1", "5:memory:/old\n3:cpu:/job\n", 200},
		{"damaged", "x\n::\n", 5000},
	} {
		if got := groupRoom(root, tt.groups, 5000); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
	if n, err := FreeMemory(); err != nil || n < 1<<20 {
		t.Errorf("free memory here: %d, %v", n, err)
	}
}
