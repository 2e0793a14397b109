// SPDX-License-Identifier: MPL-2.0

package doctor

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/vm"
)

func (e *Examination) qemu() Ability {
	name, _, err := vm.Program()
	if err != nil {
		return tried(QEMU, err, "")
	}
	return e.program(QEMU, name)
}

func (e *Examination) pasta() Ability { return e.program(Pasta, "pasta") }

func (e *Examination) program(ability, name string) Ability {
	path, err := e.LookPath(name)
	if err != nil {
		err = fmt.Errorf("%s is not installed", name)
	}
	return tried(ability, err, path)
}

func (e *Examination) tun() Ability {
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err == nil {
		f.Close()
	}
	return tried(TUN, err, "can be opened")
}

// cgroup finds out whether control groups of version 2 are delegated to this account.
func (e *Examination) cgroup() Ability {
	const root = "/sys/fs/cgroup"
	var st unix.Statfs_t
	if err := unix.Statfs(root, &st); err != nil {
		return tried(Cgroup, fmt.Errorf("%s: %w", root, err), "")
	}
	if st.Type != unix.CGROUP2_SUPER_MAGIC {
		return tried(Cgroup, fmt.Errorf("%s is not of version 2", root), "")
	}
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return tried(Cgroup, err, "")
	}
	_, own, _ := strings.Cut(strings.TrimSpace(string(data)), "::")
	dir := within(root, own)
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return tried(Cgroup, fmt.Errorf("groups cannot be created in %s: %w", dir, err), "")
	}
	controllers, _ := os.ReadFile(within(dir, "cgroup.controllers"))
	return tried(Cgroup, nil, "delegated: "+strings.TrimSpace(string(controllers)))
}

// Magic numbers of file systems, statfs(2).
var fileSystems = map[int64]string{
	unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.TMPFS_MAGIC: "tmpfs",
	unix.OVERLAYFS_SUPER_MAGIC: "overlay", unix.NFS_SUPER_MAGIC: "nfs", 0x2fc12fc1: "zfs", 0x65735546: "fuse", 0x01021997: "9p",
}

// store looks at the file system of the store.
func (e *Examination) store() Ability {
	if e.Elsewhere {
		return Ability{Name: Store, State: Unknown}
	}
	flags, kind, free, err := mountFlags(e.Scratch)
	if err != nil {
		return tried(Store, err, "")
	}
	name := fileSystems[kind]
	if name == "" {
		name = fmt.Sprintf("file system %#x", kind)
	}
	detail := name + ", " + bytesize.Format(free) + " free"
	if flags&unix.ST_NODEV != 0 {
		detail += ", nodev"
	}
	if flags&unix.ST_NOSUID != 0 {
		detail += ", nosuid"
	}
	if flags&unix.ST_NOEXEC != 0 {
		return tried(Store, fmt.Errorf("%s, noexec: no program can run in it", detail), "")
	}
	if err := tryExec(e.Scratch, "/bin/true"); err != nil {
		return tried(Store, fmt.Errorf("%s: run a program in it: %w", detail, err), "")
	}
	return tried(Store, nil, detail)
}
