// SPDX-License-Identifier: MPL-2.0

package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite what the scripts expect")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"carosbuild": main})
}

// TestScripts runs testdata/script. No script needs a namespace or a network.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		Condition:     installed,
		UpdateScripts: *update,
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"disk": makeDisk, "flip": flipByte},
		Setup: func(e *testscript.Env) error {
			source, err := filepath.Abs("../..")
			if err != nil {
				return err
			}
			e.Setenv("SOURCE", source)
			e.Setenv("HOME", e.WorkDir+"/home")
			e.Setenv("XDG_RUNTIME_DIR", e.WorkDir+"/run")
			if err := os.MkdirAll(e.WorkDir+"/home", 0o700); err != nil {
				return err
			}
			if os.Getuid() == 0 { // whose store is not below HOME
				conf := fmt.Sprintf("[storage]\ndriver = \"overlay\"\ngraphroot = %q\nrunroot = %q\n", e.WorkDir+"/home/storage", e.WorkDir+"/home/run")
				if err := os.WriteFile(e.WorkDir+"/storage.conf", []byte(conf), 0o600); err != nil {
					return err
				}
				e.Setenv("CONTAINERS_STORAGE_CONF", e.WorkDir+"/storage.conf")
			}
			return probeDisk(e.WorkDir + "/probe.raw")
		},
	})
}

// probeDisk writes a disk that prints 64 on the console when it boots, and then
// nothing.
func probeDisk(path string) error {
	code, err := os.ReadFile("../../pkg/qemu/probe/probe.bin")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(code, make([]byte, 1<<20-len(code))...), 0o600)
}

// installed is the condition tool:NAME. Where all tools must be there, the
// script runs and fails.
func installed(cond string) (bool, error) {
	name, ok := strings.CutPrefix(cond, "tool:")
	if !ok {
		return false, fmt.Errorf("condition %q is not known", cond)
	}
	_, err := exec.LookPath(name)
	return err == nil || os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1", nil
}
