// SPDX-License-Identifier: MPL-2.0

package rung

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/layer/snapshot"
	"github.com/carosio/carosbuild/pkg/nochown"
	"github.com/carosio/carosbuild/pkg/owner"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/userns"
	"github.com/carosio/carosbuild/pkg/vm"
)

// virtualMachine is the rung that needs no privilege: each command has its own QEMU machine,
// and owners are only in the tar streams of layers and in memory.
func virtualMachine() Rung {
	look := func(ctx context.Context, h Host) error {
		if err := tryPlace(h.Store); err != nil {
			return err
		}
		return tryMachine(ctx, h.Kernel)
	}
	detail := func(h Host) string { return "with " + kernelAtHand(h, "/") }
	return Rung{
		Name: VM, Cost: "slow: each command starts a virtual machine, and without KVM runs about ten times as long",
		How: userns.Plain, Look: look, Try: look, Snapshots: []snapshot.Kind{snapshot.Copy}, Store: Store{"-vm", owner.Own{}},
		Detail: detail,
		Prepare: func() error {
			if os.Geteuid() == 0 {
				return nil
			}
			return nochown.Install()
		},
		Stored: func(s *layer.Store, dir string) (Stored, error) {
			scratch, release, err := plainScratch(dir)
			if err != nil {
				return nil, err
			}
			l := newStoredLayers(s, scratch)
			l.release = release
			return l, nil
		},
		Open: func(ctx context.Context, s Setting) (*Room, error) {
			scratch, release, err := plainScratch(s.Dir)
			if err != nil {
				return nil, err
			}
			room, err := openMachine(ctx, s, scratch)
			if err != nil {
				return nil, errors.Join(err, release())
			}
			room.close = append([]func() error{release}, room.close...)
			return room, nil
		},
	}
}

func openMachine(ctx context.Context, s Setting, scratch string) (_ *Room, err error) {
	room := &Room{Scratch: scratch, Resolver: []byte(machineResolver), WayOut: true}
	defer func() {
		if err != nil {
			err = errors.Join(err, room.Close())
		}
	}()
	k, from, err := findKernel(ctx, s)
	if err != nil {
		return nil, err
	}
	room.close = append(room.close, k.Close)
	dir := filepath.Join(scratch, "vm")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	free, err := userns.FreeMemory()
	if err != nil {
		return nil, err
	}
	memory, most := memoryOf(free, s.Jobs, s.StepMemory)
	m, err := vm.Open(ctx, vm.Config{Kernel: k, Scratch: dir, Memory: memory, AtATime: most, Note: s.Note})
	if err != nil {
		return nil, err
	}
	room.close = append(room.close, m.Close)
	box := &vm.Sandbox{Machine: m, Scratch: dir}
	room.Sandbox, room.What, room.Details = box, m.QEMU, machineDetails(m, k, from)
	room.Reach = func(address string) string { return reach(box, address) }
	room.Stored = func(store *layer.Store) Stored {
		l := newStoredLayers(store, dir)
		room.close = append(room.close, l.Close)
		box.Table = l.snaps.Table
		return l
	}
	return room, nil
}

// reach returns the URL of a server on the loopback for machines, which can reach only that
// port.
func reach(box *vm.Sandbox, address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		return address
	}
	u.Host = box.Forward(uint16(port)).String()
	return u.String()
}

// The memory of a machine, in bytes, for a step without a limit, and the part that the
// machine's kernel takes.
const (
	leastMemory  = 256 << 20
	mostMemory   = 2 << 30
	kernelMemory = 96 << 20
)

// memoryOf is how much memory each machine gets, and how many machines may run at a time. All
// together have half of the free memory; QEMU may take as much again. A step that may use
// more than a machine has by default gets it, within that half.
func memoryOf(free int64, jobs int, step int64) (memory int64, most int) {
	all := max(free/2, leastMemory)
	memory = min(max(all/int64(max(jobs, 1)), leastMemory), mostMemory)
	if step > 0 {
		memory = min(max(memory, step+kernelMemory), all)
	}
	memory &^= 1<<20 - 1
	return memory, int(min(max(all/memory, 1), int64(max(jobs, 1))))
}

// machineResolver is /etc/resolv.conf in a machine: at that address QEMU answers for the
// host's resolver.
const machineResolver = "nameserver 10.0.2.3\n"

// machineDetails describes the machines that steps run in.
func machineDetails(m *vm.Machine, k *vm.Kernel, from string) string {
	how := "without KVM"
	if m.Accel != "tcg" {
		how = "with " + strings.ToUpper(m.Accel)
	} else if m.Reason != "" {
		how += " (" + m.Reason + ")"
	}
	return fmt.Sprintf("%s %s, with Linux %s (%s), %d CPUs and %d MiB each, at most %d at a time",
		filepath.Base(m.QEMU), how, k.Version, from, m.CPUs, m.Memory>>20, m.AtATime)
}

// tryMachine starts QEMU without a machine, and checks the kernel, unless it is "".
func tryMachine(ctx context.Context, kernel string) error {
	program, pkg, err := vm.Program()
	if err != nil {
		return &remedy.Error{Tried: "start a virtual machine", Err: err, Cure: "use a host of amd64 or arm64"}
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return &remedy.Error{Tried: "start a virtual machine", Err: err, Cure: "apt-get install --no-install-recommends " + pkg}
	}
	if err := vm.Probe(ctx, path); err != nil {
		return &remedy.Error{Tried: "start " + program, Err: err, Cure: "apt-get install --no-install-recommends " + pkg}
	}
	if kernel == "" {
		return nil
	}
	if err := lookAtKernel(kernel); err != nil {
		return &remedy.Error{Tried: "find the kernel of virtual machines", Err: err, Cure: "--vm-kernel: a Debian package, or a directory with boot/vmlinuz-* and lib/modules"}
	}
	return nil
}

// VM is the name of the sandbox with virtual machines.
const VM = "vm"

// kernelSuite is the suite of Debian that the kernel of machines is from.
const kernelSuite = "bookworm"

// findKernel finds a kernel: the named one, this machine's, one downloaded before, or
// Debian's. From says which it is.
func findKernel(ctx context.Context, s Setting) (k *vm.Kernel, from string, err error) {
	dir := vm.KernelDir(kernelsDir(s.Cache))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", err
	}
	if s.Kernel != "" {
		k, err := namedKernel(ctx, s.Kernel, dir)
		return k, s.Kernel, err
	}
	if k, err = vm.KernelOfHost(ctx, "/"); err == nil || !errors.Is(err, vm.ErrNoKernel) {
		return k, "this machine's", err
	}
	if k, err = vm.KernelOfCache(ctx, dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return k, "Debian's, fetched earlier", err
	}
	deb, err := fetchKernel(ctx, s)
	if err != nil {
		return nil, "", &remedy.Error{
			Tried: "find a kernel for virtual machines: " + vm.ErrNoKernel.Error() + " in /boot, and Debian's cannot be fetched", Err: err,
			Cure: "--vm-kernel FILE.deb, or the variable CAROSBUILD_VM_KERNEL, with a package such as linux-image-*-cloud-amd64",
		}
	}
	k, err = vm.KernelOfPackage(ctx, deb, dir)
	return k, "Debian's", err
}

func namedKernel(ctx context.Context, name, dir string) (*vm.Kernel, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		return vm.KernelOfHost(ctx, name)
	}
	return vm.KernelOfPackage(ctx, name, dir)
}

// fetchKernel downloads the package of Debian's kernel for virtual machines.
func fetchKernel(ctx context.Context, s Setting) (deb string, err error) {
	if s.Packages == nil {
		return "", ErrNotFetched
	}
	f, host, err := s.Packages()
	if err != nil {
		return "", err
	}
	return kernelPackage(ctx, f, host, time.Now())
}
