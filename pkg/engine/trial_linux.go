// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/sandbox"
)

// TryLayers makes a layer with this program and another layer on it, as builds do, and
// returns the latter.
func TryLayers(ctx context.Context, s Snapshotter) (top string, err error) {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return "", err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{"carosbuild", self}, {"second", []byte("2")}} {
		w, err := s.Prepare(ctx, top)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(w.Root(), f.name), f.data, 0o755); err != nil {
			return "", errors.Join(err, w.Discard())
		}
		if top, _, err = w.Commit(ctx, nil); err != nil {
			return "", errors.Join(err, w.Discard())
		}
	}
	return top, nil
}

// TryStep runs this program, which is static, as a step on a layer of TryLayers.
func TryStep(ctx context.Context, s Snapshotter, box Sandbox, top string) (err error) {
	w, err := s.Prepare(ctx, top)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Discard()) }()
	var out bytes.Buffer
	status, err := execute(ctx, box, w, sandbox.Connection{Network: sandbox.HostNetwork}, sandbox.Command{
		ID: fmt.Sprintf("trial-%d", time.Now().UnixNano()), Arch: runtime.GOARCH, Args: []string{"/carosbuild", "version"}, Stdout: &out, Stderr: &out,
	}, environment{env: map[string]string{"PATH": "/", "HOME": "/"}})
	if err == nil && (status != 0 || !strings.HasPrefix(out.String(), "carosbuild ")) {
		err = fmt.Errorf("a step ended with exit status %d and printed %q", status, out.String())
	}
	return err
}
