// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/carosio/carosbuild/pkg/doctor"
)

// pod is a container as a cluster or Docker runs one, imitated by runc. Its root is
// this host's, in which it may write; /workspace is a volume.
type pod struct {
	UID        uint32
	Caps       []string // with CAP_; an ordinary user may gain them only
	NoNewPrivs bool
	Masked     bool
	Filter     *specs.LinuxSeccomp // nil: none
	ReadOnly   bool
	Env        []string
	Volumes    []specs.Mount
	Docker     bool     // Docker runs it, else a cluster
	Prepare    []string // commands of the shell in the root, as in the build of an image
	Lacks      []string // packages that are not in the root unless Prepare installs them

	dir string // directory of the test
}

// podCaps are those of a container by default.
var podCaps = strings.Fields("CAP_CHOWN CAP_DAC_OVERRIDE CAP_FSETID CAP_FOWNER CAP_MKNOD CAP_NET_RAW CAP_SETGID CAP_SETUID CAP_SETFCAP CAP_SETPCAP CAP_NET_BIND_SERVICE CAP_SYS_CHROOT CAP_KILL CAP_AUDIT_WRITE")

// defaultFilter is the default seccomp profile of containers: ours, without what ours
// adds to it.
func defaultFilter(t *testing.T) *specs.LinuxSeccomp {
	t.Helper()
	data, err := doctor.Profile()
	if err != nil {
		t.Fatal(err)
	}
	p := readFilter(t, data)
	p.Syscalls[0].Names = slices.DeleteFunc(p.Syscalls[0].Names, func(n string) bool {
		return n != "chroot" && slices.Contains(doctor.SystemCalls, n)
	})
	const namespaces = 0x7e020000
	p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{
		Names: []string{"clone"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 0, Value: namespaces, Op: specs.OpMaskedEqual}},
	})
	return p
}

func readFilter(t *testing.T, data []byte) *specs.LinuxSeccomp {
	t.Helper()
	p := &specs.LinuxSeccomp{}
	if err := json.Unmarshal(data, p); err != nil {
		t.Fatal(err)
	}
	return p
}

// newPod is a pod of a name as in podKinds, below the directory of the test.
func newPod(t *testing.T, kind string) *pod {
	t.Helper()
	p := podKinds(t)[kind]
	dir, err := os.MkdirTemp(os.Getenv("CAROSBUILD_TEST_DIR"), "carosbuild-pod-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p.dir = dir
	for _, d := range []string{"up", "wk", "root", "work", "work/home"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const declared = `<redo><buildstage id="base"><action>FROM scratch</action><action>ADD busybox /bin/busybox</action>
<action>RUN ["/bin/busybox", "--install", "-s", "/bin"]</action>
<action>RUN echo x &gt;/f &amp;&amp; chown 33:44 /f &amp;&amp; chmod 4750 /f &amp;&amp; stat -c "found %u:%g %a" /f</action></buildstage>
<disk id="d" stage="base" size="32M"><partition name="root" fs="ext4" size="rest" path="/"/></disk></redo>`
	withBusybox(t, filepath.Join(dir, "work"), "tiny.xml", declared)
	return &p
}

// podKinds are the pods by the names that messages of tests use.
func podKinds(t *testing.T) map[string]pod {
	filter := defaultFilter(t)
	return map[string]pod{
		"root without capabilities":               {NoNewPrivs: true, Masked: true, Filter: filter},
		"restricted":                              {UID: 1000, NoNewPrivs: true, Masked: true, Filter: filter},
		"user, unconfined":                        {UID: 1000, NoNewPrivs: true, Masked: true},
		"user, unconfined and unmasked":           {UID: 1000, NoNewPrivs: true},
		"root without capabilities, unconfined":   {NoNewPrivs: true, Masked: true},
		"default":                                 {Caps: podCaps, Masked: true, Filter: filter},
		"default, unconfined":                     {Caps: podCaps, Masked: true},
		"docker, user":                            {UID: 1000, Caps: podCaps, Masked: true, Filter: filter, Docker: true},
		"docker, nothing permitted":               {NoNewPrivs: true, Masked: true, Filter: filter, Docker: true},
		"user of which no file knows, unconfined": {UID: 54321, NoNewPrivs: true},
		"docker, user, without tools":             {UID: 1000, Caps: podCaps, Masked: true, Docker: true, Lacks: []string{"uidmap", "runc", "crun"}},
		"restricted, without QEMU":                {UID: 1000, NoNewPrivs: true, Masked: true, Filter: filter, Lacks: []string{"qemu-system-x86"}},
		"default, the store on noexec": {Caps: podCaps, Masked: true, Filter: filter, Volumes: []specs.Mount{
			{Destination: "/var/lib/containers", Type: "tmpfs", Source: "tmpfs", Options: []string{"noexec", "mode=755"}},
		}},
	}
}

// run runs carosbuild in the pod, to its end.
func (p *pod) run(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	root := filepath.Join(p.dir, "root")
	host(t, "mount", "-t", "overlay", "overlay", "-o", fmt.Sprintf("lowerdir=/,upperdir=%[1]s/up,workdir=%[1]s/wk", p.dir), root)
	defer host(t, "umount", root)
	p.prepareRoot(t, root)
	host(t, "chown", "-R", fmt.Sprint(p.UID, ":", p.UID), filepath.Join(p.dir, "work"))
	data, err := json.Marshal(p.spec(t, root, args))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.dir, "config.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return ran(t, exec.CommandContext(ctx, tool(t, "runc"), "run", "--bundle", p.dir, filepath.Base(p.dir)))
}

// volume adds an empty directory, in which everybody may write.
func (p *pod) volume(t *testing.T, at string) {
	t.Helper()
	dir := filepath.Join(p.dir, "volume")
	host(t, "mkdir", "--mode=777", dir)
	p.Volumes = append(p.Volumes, specs.Mount{Destination: at, Type: "bind", Source: dir, Options: []string{"rbind", "rw"}})
}

// lackedFiles are the programs of packages.
var lackedFiles = map[string][]string{
	"uidmap": {"usr/bin/newuidmap", "usr/bin/newgidmap"}, "runc": {"usr/sbin/runc"}, "crun": {"usr/bin/crun"},
	"qemu-system-x86": {"usr/bin/qemu-system-x86_64"},
}

// prepareRoot makes the files of the pod's root, each time anew.
func (p *pod) prepareRoot(t *testing.T, root string) {
	t.Helper()
	for name, content := range map[string]string{
		"etc/passwd": "root:x:0:0::/root:/bin/sh\npodbuild:x:1000:1000::/workspace/home:/bin/sh\n", "etc/subuid": "", "etc/subgid": "",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	host(t, "mkdir", "-p", filepath.Join(root, "workspace"), filepath.Join(root, "carosbuild"))
	if p.Docker {
		host(t, "touch", filepath.Join(root, ".dockerenv"))
	}
	prepared := strings.Fields(strings.Join(p.Prepare, " "))
	for _, name := range p.Lacks {
		if slices.Contains(prepared, name) {
			continue
		}
		for _, file := range lackedFiles[name] {
			if err := os.Remove(filepath.Join(root, file)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range p.Prepare {
		if _, packages, ok := strings.Cut(c, "apt-get install -y "); ok {
			for name := range strings.FieldsSeq(packages) {
				host(t, "dpkg-query", "--show", name) // the root is this host's
			}
			continue
		}
		host(t, "chroot", root, "/bin/sh", "-c", c)
	}
}

// host runs a command as the superuser of this host.
func host(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// spec is the configuration of runc.
func (p *pod) spec(t *testing.T, root string, args []string) *specs.Spec {
	self, err := filepath.Abs(program(t))
	if err != nil {
		t.Fatal(err)
	}
	s := &specs.Spec{
		Version: "1.0.2", Hostname: "pod", Root: &specs.Root{Path: root, Readonly: p.ReadOnly},
		Process: &specs.Process{
			User: specs.User{UID: p.UID, GID: p.UID}, Cwd: "/workspace", NoNewPrivileges: p.NoNewPrivs,
			Args: append([]string{"/usr/local/bin/carosbuild"}, args...),
			Env:  append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, p.Env...),
			Capabilities: &specs.LinuxCapabilities{
				Bounding: p.Caps,
			},
		},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"newinstance", "ptmxmode=0666", "mode=0620"}},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
			{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
			{Destination: "/workspace", Type: "bind", Source: filepath.Join(p.dir, "work"), Options: []string{"rbind", "rw"}},
			{Destination: "/usr/local/bin/carosbuild", Type: "bind", Source: self, Options: []string{"bind", "ro"}},
		},
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{{Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}, {Type: specs.MountNamespace}},
			Seccomp:    p.Filter,
		},
	}
	s.Mounts = append(s.Mounts, p.Volumes...)
	if !p.Docker {
		s.Process.Env = append(s.Process.Env, "KUBERNETES_SERVICE_HOST=192.0.2.1")
	}
	if p.UID == 0 {
		s.Process.Capabilities.Effective, s.Process.Capabilities.Permitted = p.Caps, p.Caps
	}
	if p.Masked {
		s.Linux.MaskedPaths = []string{"/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"}
		s.Linux.ReadonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
	}
	return s
}
