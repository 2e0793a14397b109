// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/sandbox"
)

// NoNetwork reports whether the step has a network namespace of its own: what is not
// known has.
func (c config) NoNetwork() bool { return c.Network != sandbox.HostNetwork }

// lookPath finds a program by the PATH of the step's environment.
func lookPath(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, kv := range env {
		dirs, ok := strings.CutPrefix(kv, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(dirs) {
			path := filepath.Join(dir, name)
			if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && unix.Access(path, unix.X_OK) == nil {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("execute %q: not found in PATH", name)
}

// parentOf reads /proc/PID/stat, whose second field may hold anything in parentheses.
func parentOf(pid int) (parent int, zombie bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return -1, true
	}
	var state string
	if _, err := fmt.Sscan(string(data[bytes.LastIndexByte(data, ')')+1:]), &state, &parent); err != nil {
		return -1, true
	}
	return parent, state == "Z" || state == "X"
}
