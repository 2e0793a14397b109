// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRuntimeDirOfOthers(t *testing.T) {
	own := t.TempDir()
	file := filepath.Join(own, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := "/proc/1" // init's, the superuser's
	if os.Getuid() == 0 {
		foreign = t.TempDir()
		if err := os.Chown(foreign, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	for dir, want := range map[string]string{
		own: own, "": "", "run": "", filepath.Join(own, "none"): "", file: "", foreign: "",
	} {
		env := func(name string) string {
			return map[string]string{"XDG_RUNTIME_DIR": dir, "HOME": "/home/x", "CONTAINERS_STORAGE_CONF": filepath.Join(own, "none.conf")}[name]
		}
		if got := RuntimeDir(env); got != want {
			t.Errorf("XDG_RUNTIME_DIR=%s: got %q, want %q", dir, got, want)
		}
		p, err := PodmanPaths(env, 4711)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" && dir != "" && strings.HasPrefix(p.RunRoot, dir) || !strings.HasPrefix(p.RunRoot, want) {
			t.Errorf("XDG_RUNTIME_DIR=%s: the store runs in %s", dir, p.RunRoot)
		}
	}
}
