// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/supervisor/creds"
)

// stageVar says as which of the processes the program is started.
const stageVar = "_CAROSBUILD_SUPERVISOR"

// The processes: the supervisor, and what becomes the step's first program.
const (
	stageInit = "init"
	stageStep = "step"
)

// Descriptors of the supervisor, besides the step's streams.
const (
	fdConfig = 3 // file in memory with the config
	fdReport = 4 // pipe for the report
	fdTable  = 5 // journal of the records
)

// Descriptors of the process that becomes the step's first program; fdConfig is the same.
const (
	fdSocket = 4 // sends the listener, receives a byte when the supervisor is ready
	fdFailed = 5 // pipe for the error of execve; closed by success
)

// config is the supervisor's input.
type config struct {
	Root     string
	Args     []string
	Env      []string
	Cwd      string
	UID, GID uint32
	Groups   []uint32
	Mounts   []sandbox.Mount
	Network  sandbox.Network
	NetNS    string
	Terminal bool
	Limits   sandbox.Limits
	Caps     creds.Caps
	OwnPIDs  bool // there is a PID namespace with its /proc; otherwise the step starts one, and keeps the outer /proc
}

// NoNetwork reports whether the step is in a different network namespace than the builder, as
// with any unknown kind of network.
func (c config) NoNetwork() bool { return c.Network != sandbox.HostNetwork }

// report is what the supervisor reports at its end. A supervisor without a report has
// failed.
type report struct {
	Status  int
	Error   string
	NoProc  bool // the step cannot have its own /proc here
	Started bool // the command's program was executed
}

// memoryFile is a file without a name, to be read from its beginning.
func memoryFile(v any) (*os.File, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("step", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "step")
	if _, err := f.WriteAt(data, 0); err != nil {
		f.Close()
		return nil, fmt.Errorf("file in memory: %w", err)
	}
	return f, nil
}

// readConfig reads the file in memory without moving its offset: the next process reads it, too.
func readConfig() (config, error) {
	var c config
	err := json.NewDecoder(io.NewSectionReader(positioned(fdConfig), 0, 1<<30)).Decode(&c)
	return c, err
}

// positioned reads from a descriptor without owning it: an os.File would close it one day.
type positioned int

func (p positioned) ReadAt(b []byte, off int64) (int, error) {
	n, err := unix.Pread(int(p), b, off)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return max(n, 0), err
}
