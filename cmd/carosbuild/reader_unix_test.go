// SPDX-License-Identifier: MPL-2.0

//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
)

// unreadVar is the directory that a child of a test makes and removes in the end.
const unreadVar = "CAROSBUILD_TEST_UNREAD"

// A program whose output nobody reads, such as in "carosbuild doctor | head", removes its
// temporary files before it ends.
func TestUnreadOutput(t *testing.T) {
	if dir := os.Getenv(unreadVar); dir != "" {
		writeUnread(dir)
	}
	dir := filepath.Join(t.TempDir(), "scratch")
	cmd := exec.Command(os.Args[0], "-test.run=^TestUnreadOutput$")
	cmd.Env = append(os.Environ(), unreadVar+"="+dir)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = w
	if err := errors.Join(cmd.Start(), w.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 10)); err != nil {
		t.Error(err)
	}
	r.Close()
	err = cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != cli.ExitNotRead {
		t.Errorf("got %v, want exit status %d", err, cli.ExitNotRead)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left: %v", dir, err)
	}
}

// writeUnread writes until nobody reads it, and ends the process as main does.
func writeUnread(dir string) {
	ctx, stop := cli.WhileRead(context.Background())
	err := os.Mkdir(dir, 0o700)
	for ctx.Err() == nil && err == nil {
		fmt.Println("a line")
		time.Sleep(time.Millisecond)
	}
	err = errors.Join(err, os.Remove(dir))
	status := end(ctx, cli.New(), err)
	stop()
	os.Exit(status)
}
