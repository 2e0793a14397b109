// SPDX-License-Identifier: MPL-2.0

package doctor

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Requests of /dev/kvm, linux/kvm.h, with the sizes of the structures on amd64.
const (
	kvmCreateVM     = 0xae01
	kvmMapSize      = 0xae04
	kvmCreateVCPU   = 0xae41
	kvmRun          = 0xae80
	kvmSetMemory    = 0x4020ae46
	kvmSetRegs      = 0x4090ae82
	kvmGetSregs     = 0x8138ae83
	kvmSetSregs     = 0x4138ae84
	kvmExitHalt     = 5
	kvmRegsSize     = 144
	kvmRegsRIP      = 128
	kvmRegsRFLAGS   = 136
	kvmSregsSize    = 312
	kvmSregsCS      = 0  // base, 8 bytes
	kvmSregsCSSel   = 12 // selector, 2 bytes
	kvmExitReason   = 8  // in the shared page
	kvmProbeAddress = 0x1000
)

// tryKVM starts a virtual machine that halts at once. Where machines are nested it may
// hang, or fail although the device opens.
func tryKVM() (string, error) {
	dev, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer dev.Close()
	vm, err := ioctl(int(dev.Fd()), kvmCreateVM, nil)
	if err != nil {
		return "", fmt.Errorf("create a virtual machine: %w", err)
	}
	cpu, err := ioctl(vm, kvmCreateVCPU, nil)
	if err != nil {
		return "", fmt.Errorf("create a virtual processor: %w", err)
	}
	if runtime.GOARCH != "amd64" {
		return "a virtual machine can be made", nil
	}
	page, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		return "", err
	}
	page[0] = 0xf4 // HLT
	region := [4]uint64{0, kvmProbeAddress, 4096, uint64(uintptr(unsafe.Pointer(&page[0])))}
	if _, err := ioctl(vm, kvmSetMemory, unsafe.Pointer(&region)); err != nil {
		return "", fmt.Errorf("give memory to a virtual machine: %w", err)
	}
	return runHalt(int(dev.Fd()), cpu)
}

// runHalt runs a processor that finds the instruction HLT.
func runHalt(dev, cpu int) (string, error) {
	var sregs [kvmSregsSize]byte
	if _, err := ioctl(cpu, kvmGetSregs, unsafe.Pointer(&sregs)); err != nil {
		return "", err
	}
	binary.NativeEndian.PutUint64(sregs[kvmSregsCS:], 0)
	binary.NativeEndian.PutUint16(sregs[kvmSregsCSSel:], 0)
	if _, err := ioctl(cpu, kvmSetSregs, unsafe.Pointer(&sregs)); err != nil {
		return "", err
	}
	var regs [kvmRegsSize]byte
	binary.NativeEndian.PutUint64(regs[kvmRegsRIP:], kvmProbeAddress)
	binary.NativeEndian.PutUint64(regs[kvmRegsRFLAGS:], 2)
	if _, err := ioctl(cpu, kvmSetRegs, unsafe.Pointer(&regs)); err != nil {
		return "", err
	}
	size, err := ioctl(dev, kvmMapSize, nil)
	if err != nil {
		return "", err
	}
	shared, err := unix.Mmap(cpu, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return "", err
	}
	if _, err := ioctl(cpu, kvmRun, nil); err != nil {
		return "", fmt.Errorf("run a virtual machine: %w", err)
	}
	if r := binary.NativeEndian.Uint32(shared[kvmExitReason:]); r != kvmExitHalt {
		return "", fmt.Errorf("a virtual machine ended for reason %d", r)
	}
	return "a virtual machine runs", nil
}

// ioctl calls the kernel with a structure, or nil.
func ioctl(fd int, request uintptr, arg unsafe.Pointer) (int, error) {
	r, _, n := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
	return int(r), errno(n)
}
