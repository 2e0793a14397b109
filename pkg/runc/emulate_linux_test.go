// SPDX-License-Identifier: MPL-2.0

package runc

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/binfmt"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/userns"
	"github.com/carosio/carosbuild/pkg/userns/usernstest"
	"github.com/google/go-cmp/cmp"
)

func init() {
	// emulate DIR ARCH...: prepares emulation of the architectures one after another; programs of
	// each must run in a step afterwards, and those of earlier ones still.
	programs["emulate"] = func(args []string) int {
		scratch, archs := filepath.Join(args[0], "scratch"), args[1:]
		if err := userns.MountScratch(scratch); err != nil {
			fmt.Println(err)
			return 125
		}
		rt, err := FindRuntime("", scratch)
		if err != nil {
			fmt.Println(err)
			return 125
		}
		for _, arch := range archs {
			if err := rt.Emulate(context.Background(), arch); err != nil {
				fmt.Println(arch+":", err)
			}
		}
		for _, arch := range archs {
			fmt.Println(arch, runTrial(rt, args[0], arch))
		}
		return 0
	}
}

// runTrial runs the trial program of an architecture as a step of an ordinary user.
func runTrial(rt *Runtime, dir, arch string) string {
	root := filepath.Join(dir, "root-"+arch)
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err.Error()
	}
	if err := os.WriteFile(filepath.Join(root, "trial"), binfmt.Program(arch), 0o755); err != nil {
		return err.Error()
	}
	if _, err := sandbox.Plant(root, nil, nil); err != nil {
		return err.Error()
	}
	status, err := rt.Run(context.Background(), sandbox.Command{
		ID: "trial-" + arch, Root: root, Arch: arch, Args: []string{"/trial"}, Cwd: "/", Network: sandbox.NoNetwork, UID: 33,
		Stdout: os.Stdout, Stderr: os.Stdout,
	})
	return fmt.Sprint(status, " ", err)
}

// table is the host's own table of foreign executables, and the architectures whose programs it
// makes run.
func table(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, arch := range binfmt.Architectures() {
		path := filepath.Join(t.TempDir(), "trial")
		if err := os.WriteFile(path, binfmt.Program(arch), 0o755); err != nil {
			t.Fatal(err)
		}
		out["run "+arch] = fmt.Sprint(exec.CommandContext(t.Context(), path).Run() == nil)
	}
	entries, err := os.ReadDir(binfmt.Table)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "register" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(binfmt.Table, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(b)
	}
	return out
}

func TestEmulate(t *testing.T) {
	if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") != "1" {
		for _, arch := range binfmt.Architectures() {
			if _, err := exec.LookPath("qemu-arm-static"); err != nil && arch == "arm" {
				t.Skip("no emulators (package qemu-user-static)")
			}
		}
	}
	before := table(t)
	var archs, want []string
	for _, arch := range binfmt.Architectures() {
		archs = append(archs, arch)
		want = append(want, arch+" 0 <nil>")
	}
	out, status := usernstest.Enter(t, "emulate", append([]string{t.TempDir()}, archs...)...)
	if diff := cmp.Diff(out, strings.Join(want, "\n")+"\n"); diff != "" || status != 0 {
		t.Errorf("status %d; output (-got +want):\n%s", status, diff)
	}
	if diff := cmp.Diff(table(t), before); diff != "" {
		t.Errorf("the host's table has changed (-got +want):\n%s", diff)
	}
}
