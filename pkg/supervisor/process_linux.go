// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/supervisor/creds"
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

// From the auxiliary vector, uapi/linux/auxvec.h: the address of 16 random bytes that execve(2)
// makes for a program.
const auxRandom = 25

// image distinguishes the program of a thread from the previous and the next one: by the vector
// that the kernel has given it, which has addresses, and by its random bytes.
func (t thread) image() (creds.Image, error) {
	vector, err := os.ReadFile(t.path("auxv"))
	if err != nil {
		return creds.Image{}, unix.ESRCH
	}
	random := make([]byte, 16)
	if addr, ok := auxValue(vector, auxRandom); ok {
		_ = t.Read(addr, random) // it may have unmapped its stack; then only the vector counts
	}
	sum := sha256.Sum256(append(vector, random...))
	return creds.Image(sum[:16]), nil
}

// auxValue finds a value in an auxiliary vector with words of 64 or 32 bits.
func auxValue(vector []byte, key uint64) (uint64, bool) {
	for i := 0; i+16 <= len(vector); i += 16 {
		if binary.LittleEndian.Uint64(vector[i:]) == key {
			return binary.LittleEndian.Uint64(vector[i+8:]), true
		}
	}
	for i := 0; i+8 <= len(vector); i += 8 {
		if uint64(binary.LittleEndian.Uint32(vector[i:])) == key {
			return uint64(binary.LittleEndian.Uint32(vector[i+4:])), true
		}
	}
	return 0, false
}

// status is a thread's status from /proc/PID/status.
type status struct {
	process    int    // thread group
	own        [2]int // thread and thread group in its own PID namespace
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
		case "NSpid":
			s.own[0] = innermost(value)
		case "NStgid":
			s.own[1] = innermost(value)
		case "NoNewPrivs":
			s.noNewPrivs = value == "1"
		}
	}
	if s.umask < 0 || s.process == 0 {
		return s, fmt.Errorf("a thread's status has no umask or no process")
	}
	return s, nil
}

// innermost is the last of several numbers, 0 if there is none.
func innermost(value string) int {
	n, _ := strconv.Atoi(value[strings.LastIndexByte(value, '\t')+1:])
	return n
}

// bytesOf are the bytes of a struct that the kernel has filled.
func bytesOf[T any](v *T) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)) }
