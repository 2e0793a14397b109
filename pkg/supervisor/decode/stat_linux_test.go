// SPDX-License-Identifier: MPL-2.0

package decode

import (
	"bytes"
	"runtime"
	"testing"
	"unsafe"

	"github.com/carosio/carosbuild/pkg/supervisor/filter"

	"golang.org/x/sys/unix"
)

// The kernel's own bytes are the reference for this machine's architecture.
func TestEncodeStat(t *testing.T) {
	arch, ok := map[string]filter.Arch{"amd64": filter.X8664, "arm64": filter.ARM64}[runtime.GOARCH]
	if !ok {
		t.Skip("no table for this architecture")
	}
	for _, name := range []string{"/", "/dev/null", "/proc/self/exe"} {
		var st unix.Stat_t
		if err := unix.Stat(name, &st); err != nil {
			t.Fatal(err)
		}
		got, ok := Stat{
			Dev: st.Dev, Ino: st.Ino, Nlink: uint64(st.Nlink), Rdev: st.Rdev, Mode: st.Mode, UID: st.Uid, GID: st.Gid,
			Size: st.Size, Blksize: int64(st.Blksize), Blocks: st.Blocks,
			Atime: [2]int64{st.Atim.Sec, st.Atim.Nsec}, Mtime: [2]int64{st.Mtim.Sec, st.Mtim.Nsec}, Ctime: [2]int64{st.Ctim.Sec, st.Ctim.Nsec},
		}.Encode(arch)
		if want := unsafe.Slice((*byte)(unsafe.Pointer(&st)), unsafe.Sizeof(st)); !ok || !bytes.Equal(got, want) {
			t.Errorf("%s:\n%x\nthe kernel:\n%x", name, got, want)
		}
	}
	if _, ok := (Stat{}).Encode(7); ok {
		t.Error("an architecture without a table has a struct")
	}
}
