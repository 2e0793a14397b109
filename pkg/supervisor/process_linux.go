// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// thread is the thread that made a call.
type thread uint32

// Read implements decode.Memory.
func (t thread) Read(addr uint64, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	local := []unix.Iovec{{Base: &p[0], Len: uint64(len(p))}}
	n, err := unix.ProcessVMReadv(int(t), local, []unix.RemoteIovec{{Base: uintptr(addr), Len: len(p)}}, 0)
	if err == nil && n != len(p) {
		err = unix.EFAULT
	}
	return err
}

// write changes the thread's memory.
func (t thread) write(addr uint64, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	local := []unix.Iovec{{Base: &p[0], Len: uint64(len(p))}}
	n, err := unix.ProcessVMWritev(int(t), local, []unix.RemoteIovec{{Base: uintptr(addr), Len: len(p)}}, 0)
	if err != nil || n != len(p) {
		return unix.EFAULT
	}
	return nil
}

// limit is the limit that carries credentials: the hard RLIMIT_RTTIME.
func (t thread) limit() (uint64, error) {
	var l unix.Rlimit
	err := unix.Prlimit(int(t), unix.RLIMIT_RTTIME, nil, &l)
	return l.Max, err
}

func (t thread) setLimit(n uint64) error {
	return unix.Prlimit(int(t), unix.RLIMIT_RTTIME, &unix.Rlimit{Cur: n, Max: n}, nil)
}

func (t thread) path(name string) string { return "/proc/" + strconv.Itoa(int(t)) + "/" + name }

// status is the content of /proc/PID/status for a thread.
type status struct {
	process    int // thread group
	umask      int
	noNewPrivs bool
}

func (t thread) status() (status, error) {
	data, err := os.ReadFile(t.path("status"))
	if err != nil {
		return status{}, err
	}
	return parseStatus(string(data))
}

func parseStatus(data string) (status, error) {
	s := status{umask: -1}
	for line := range strings.Lines(data) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch name {
		case "Umask":
			n, err := strconv.ParseUint(value, 8, 16)
			if err != nil {
				return s, fmt.Errorf("umask %q: %w", value, err)
			}
			s.umask = int(n)
		case "Tgid":
			n, err := strconv.Atoi(value)
			if err != nil {
				return s, fmt.Errorf("process %q: %w", value, err)
			}
			s.process = n
		case "NoNewPrivs":
			s.noNewPrivs = value == "1"
		}
	}
	if s.umask < 0 || s.process == 0 {
		return s, fmt.Errorf("a thread's status has no umask or no process")
	}
	return s, nil
}

// bytesOf are the bytes of a struct that the kernel has filled.
func bytesOf[T any](v *T) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)) }
