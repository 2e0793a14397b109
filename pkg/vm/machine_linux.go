// SPDX-License-Identifier: MPL-2.0

package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/carosio/carosbuild/pkg/binfmt"
	"github.com/carosio/carosbuild/pkg/qemu"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/vm/wire"
)

// Config describes the machines.
type Config struct {
	Kernel  *Kernel
	Scratch string // directory for files that live as long as the machines
	// Agent is a static program for the guest whose main function calls guest.Main; "" is
	// this program.
	Agent    string
	QEMU     string        // program; "" is qemu-system-ARCH in the PATH
	Accel    string        // kvm or tcg; "" tries
	CPUs     int           // 0: as many as this process may use
	Memory   int64         // bytes, 0: 2 GiB
	AtATime  int           // machines that run at the same time; 0: any number
	BootTime time.Duration // limit until the guest reports that it runs; 0: a quarter of an hour, for busy hosts
	// KVMTime is this limit with KVM, after which machines run without; 0: a minute, though a
	// second or two is usual.
	KVMTime time.Duration
	Note    func(text string) // called then; may be nil
}

// Machine starts virtual machines, each for one command. It is safe for concurrent use.
//
// Accel is KVM if it works on the host. If a machine still does not start with KVM, it and
// all later machines are emulated.
type Machine struct {
	Config
	Reason string // why Accel is not KVM although there is a /dev/kvm; "" otherwise

	dir    string
	filter bool // QEMU can filter its own system calls
	mu     sync.Mutex
	slots  chan struct{}     // with room for the machines that may run; nil: any number
	ram    map[string]string // files of initial RAM disks, by the architecture that they emulate
}

const defaultMemory = 2 << 30

// Open finds out what the host has, and writes the kernel to the scratch directory.
func Open(ctx context.Context, c Config) (m *Machine, err error) {
	arch, ok := machineOf(runtime.GOARCH)
	if !ok {
		return nil, fmt.Errorf("virtual machines on %s: %w", runtime.GOARCH, errors.ErrUnsupported)
	}
	if c.QEMU == "" {
		c.QEMU = arch.program
	}
	if c.QEMU, err = exec.LookPath(c.QEMU); err != nil {
		return nil, &remedy.Error{Tried: "run steps in a virtual machine", Err: err, Cure: "apt-get install " + arch.pkg}
	}
	if c.Agent == "" {
		c.Agent = "/proc/self/exe"
	}
	if c.CPUs == 0 {
		c.CPUs = runtime.GOMAXPROCS(0)
	}
	if c.Memory == 0 {
		c.Memory = defaultMemory
	}
	if c.BootTime == 0 {
		c.BootTime = 15 * time.Minute
	}
	if c.KVMTime == 0 {
		c.KVMTime = time.Minute
	}
	dir, err := os.MkdirTemp(c.Scratch, "machine-")
	if err != nil {
		return nil, err
	}
	m = &Machine{Config: c, dir: dir, ram: map[string]string{}}
	if c.AtATime > 0 {
		m.slots = make(chan struct{}, c.AtATime)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	if c.Accel == "" {
		m.Accel, m.Reason, err = qemu.Accelerator(ctx, qemu.Machine{Program: arch.program, Package: arch.pkg, Arch: arch.name}, dir)
		if err != nil {
			return m, err
		}
	}
	m.filter = Probe(ctx, c.QEMU, "-sandbox", filtered) == nil
	image, err := c.Kernel.image()
	if err != nil {
		return m, err
	}
	if err := os.WriteFile(m.kernelFile(), image, 0o600); err != nil {
		return m, err
	}
	_, err = m.initrdFile("")
	return m, err
}

// filtered is the option by which QEMU gives up system calls.
const filtered = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

// Probe starts QEMU without a machine. The error is its output.
func Probe(ctx context.Context, program string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{
		"-machine", "none", "-nodefaults", "-no-user-config", "-display", "none", "-accel", "tcg", "-qmp", "stdio",
	}, args...)...)
	cmd.Stdin = strings.NewReader(`{"execute":"qmp_capabilities"}{"execute":"quit"}` + "\n")
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, program) || strings.HasPrefix(line, "qemu") {
			return errors.New(strings.TrimSpace(line))
		}
	}
	return err
}

// Close removes the files of Open. No machine may run any more.
func (m *Machine) Close() error { return os.RemoveAll(m.dir) }

func (m *Machine) kernelFile() string { return filepath.Join(m.dir, "kernel") }

// initrdFile is the initial RAM disk for programs of an architecture.
func (m *Machine) initrdFile(arch string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if name, ok := m.ram[arch]; ok {
		return name, nil
	}
	agent, err := os.ReadFile(m.Agent)
	if err != nil {
		return "", err
	}
	files := map[string][]byte{}
	if arch != "" {
		path := binfmt.Emulator(arch)
		if path == "" {
			return "", &remedy.Error{
				Tried: "run programs of architecture " + arch + " in a virtual machine: there is no emulator for them",
				Cure:  "apt-get install qemu-user-static",
			}
		}
		if files[path[1:]], err = os.ReadFile(path); err != nil {
			return "", err
		}
	}
	data, err := m.Kernel.initrd(agent, files)
	if err != nil {
		return "", err
	}
	name := filepath.Join(m.dir, "initrd-"+arch)
	if err := os.WriteFile(name, data, 0o600); err != nil {
		return "", err
	}
	m.ram[arch] = name
	return name, nil
}

// architecture describes a machine of this host's architecture for QEMU.
type architecture struct {
	name    string // as in uname -m
	program string
	pkg     string   // Debian package
	args    []string // for QEMU
	console string
}

// Program returns the QEMU that Open uses, and its Debian package.
func Program() (name, pkg string, err error) {
	arch, ok := machineOf(runtime.GOARCH)
	if !ok {
		return "", "", fmt.Errorf("virtual machines on %s: %w", runtime.GOARCH, errors.ErrUnsupported)
	}
	return arch.program, arch.pkg, nil
}

func machineOf(goarch string) (architecture, bool) {
	switch goarch {
	case "amd64":
		return architecture{"x86_64", "qemu-system-x86_64", "qemu-system-x86", []string{"-machine", "pc,graphics=off,vmport=off,usb=off", "-cpu", "max"}, "ttyS0"}, true
	case "arm64":
		return architecture{"aarch64", "qemu-system-aarch64", "qemu-system-arm", []string{"-machine", "virt", "-cpu", "max"}, "ttyAMA0"}, true
	}
	return architecture{}, false
}

// arguments are QEMU's arguments. Descriptor 3 is the port, the next ones are the disks.
func (m *Machine) arguments(accel, initrd string, disks int, network bool) []string {
	arch, _ := machineOf(runtime.GOARCH)
	args := append([]string{
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-monitor", "none", "-serial", "stdio",
		"-accel", accelOption(accel, m.Memory), "-m", strconv.FormatInt(m.Memory>>20, 10), "-smp", strconv.Itoa(m.CPUs),
	}, arch.args...)
	args = append(args,
		"-kernel", m.kernelFile(), "-initrd", initrd, "-append", "console="+arch.console+" quiet panic=-1 mitigations=off cryptomgr.notests nokaslr no_timer_check random.trust_cpu=on",
		"-chardev", "socket,id=port,fd=3", "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=port,name="+wire.Port,
		"-device", "virtio-rng-pci")
	for i := range disks {
		id := fmt.Sprintf("d%d", i)
		args = append(args, "-blockdev", fmt.Sprintf("driver=nbd,node-name=%s,server.type=fd,server.str=%d", id, 4+i), "-device", "virtio-blk-pci,drive="+id)
	}
	if m.filter {
		args = append(args, "-sandbox", filtered)
	}
	if network {
		args = append(args, "-netdev", "user,id=n0,ipv6=off", "-device", "virtio-net-pci,netdev=n0,romfile=")
	}
	return args
}

// accelOption is QEMU's option. The translated code gets at most half as much memory as the
// machine has: without a limit, QEMU would choose by the host's memory, not by what this
// process may use.
func accelOption(name string, memory int64) string {
	if name == qemu.TCG {
		return fmt.Sprintf("tcg,thread=multi,tb-size=%d", min(memory>>20/2, 1024))
	}
	return name
}
