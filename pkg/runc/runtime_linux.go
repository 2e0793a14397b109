// SPDX-License-Identifier: MPL-2.0

package runc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/carosio/carosbuild/pkg/binfmt"
	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/carosio/carosbuild/pkg/remedy"
	"golang.org/x/sys/unix"
)

// Runtime is an OCI runtime on this host.
type Runtime struct {
	Path  string // the executable
	State string // directory for the runtime's own records, on a tmpfs of this namespace
	// BoundProc makes steps see the /proc of this process: if that is masked, the kernel does
	// not allow another to be mounted. Steps have their own process ids all the same.
	BoundProc bool

	noHostname bool // the host name cannot be set here
	binfmt.Emulators
}

// Look finds the executable of a runtime: name (a path or a command), or, if it is "", runc or
// else crun. The error is a remedy.Error.
func Look(name string) (path string, err error) {
	candidates := []string{"runc", "crun"}
	if name != "" {
		candidates = []string{name}
	}
	for _, c := range candidates {
		for _, p := range []string{c, "/usr/sbin/" + c, "/usr/bin/" + c} {
			if path, err := exec.LookPath(p); err == nil && (filepath.IsAbs(path) || filepath.IsAbs(c)) {
				return path, nil
			}
		}
	}
	if name != "" {
		return "", &remedy.Error{
			Tried: fmt.Sprintf("the requested OCI runtime %q is not installed", name),
			Cure:  "leave out --runtime and CAROSBUILD_RUNTIME to use runc or crun",
		}
	}
	return "", &remedy.Error{
		Tried: fmt.Sprintf("no OCI runtime found (looked for %v)", candidates),
		Cure:  "as an administrator: apt-get install runc",
	}
}

// FindRuntime returns the runtime to use, see Look. State is a directory that vanishes
// with the namespace.
func FindRuntime(name, state string) (*Runtime, error) {
	path, err := Look(name)
	if err != nil {
		return nil, err
	}
	if filepath.Base(path) == "crun" { // refuses hybrid cgroups, but accepts none at all
		if err := unix.Mount("tmpfs", "/sys/fs/cgroup", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "size=64k,mode=755"); err != nil && err != unix.ENOENT {
			return nil, fmt.Errorf("hide /sys/fs/cgroup: %w", err)
		}
	}
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, fmt.Errorf("runtime state: %w", err)
	}
	return &Runtime{Path: path, State: state, noHostname: hostnameRefused(), Emulators: binfmt.Emulators{Scratch: state}}, nil
}

// hostnameRefused reports whether a filter, such as podman's, refuses to set the host name even
// in a namespace with its own. Steps then see the host's.
func hostnameRefused() bool {
	refused := make(chan bool)
	go func() {
		runtime.LockOSThread() // never unlocked: the namespace belongs to the thread
		err := unix.Unshare(unix.CLONE_NEWUTS)
		if err == nil {
			err = unix.Sethostname([]byte(sandbox.Hostname))
		}
		refused <- errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS)
	}()
	return <-refused
}
