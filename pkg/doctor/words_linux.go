// SPDX-License-Identifier: MPL-2.0

package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/vm"
)

// Advice are changes in the words of the place where they are to be made.
type Advice struct {
	Rung    string   `json:"sandbox"`
	Changes []Change `json:"changes"`
	// Pod are lines of a pod's specification, Docker and Podman options of their
	// command run. Image are commands for the build of the image, Node for files of
	// the machine that the container runs on, Host for a host without containers.
	Pod    []string `json:"pod,omitempty"`
	Docker []string `json:"docker,omitempty"`
	Podman []string `json:"podman,omitempty"`
	Image  []string `json:"image,omitempty"`
	Node   []string `json:"node,omitempty"`
	Host   string   `json:"host,omitempty"`
}

// profileName is the file of the seccomp profile in the advice.
const profileName = "carosbuild.json"

// defaultCaps are those that Docker gives to a container, as Kubernetes lists them.
const defaultCaps = "CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, MKNOD, SETFCAP, SETGID, SETPCAP, SETUID, SYS_CHROOT"

// Word puts changes into words for the place where p runs.
func Word(rung string, changes []Change, p *Process) Advice {
	a := Advice{Rung: rung, Changes: changes}
	has := func(c Change) bool { return slices.Contains(changes, c) }
	if p.Place == Host {
		a.Host = hostCommand(has, p)
		return a
	}
	a.Image = imageCommands(has, p)
	if has(PermitCalls) {
		a.Node = []string{"carosbuild doctor --seccomp-profile >" + profileName}
	}
	if p.Place == Kubernetes || p.Place == Container {
		a.Pod = podLines(has, p)
		if has(PermitCalls) {
			a.Node = []string{"carosbuild doctor --seccomp-profile >/var/lib/kubelet/seccomp/" + profileName}
		}
	}
	if p.Place == Docker || p.Place == Container {
		a.Docker = options(has, p)
	}
	if p.Place == Podman || p.Place == Container {
		a.Podman = options(has, p)
	}
	return a
}

// podLines are those of the container in a pod, and of the pod where they say so.
func podLines(has func(Change) bool, p *Process) []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf("  "+format, args...)) }
	if has(OrdinaryUser) {
		add("runAsUser: 1000")
		add("runAsNonRoot: true")
	}
	if has(RootCaps) {
		add("runAsUser: 0")
		add("runAsNonRoot: false")
	}
	if has(NewPrivs) {
		add("allowPrivilegeEscalation: true")
	}
	if has(RootCaps) {
		add("capabilities:")
		add("  add: [%s]", defaultCaps)
	} else if has(IDCaps) {
		add("capabilities:")
		add("  add: [SETGID, SETUID]")
	}
	if has(PermitCalls) {
		add("seccompProfile:  # or only type: Unconfined")
		add("  type: Localhost")
		add("  localhostProfile: %s", profileName)
	}
	if len(lines) > 0 {
		lines = slices.Insert(lines, 0, "securityContext:")
	}
	if has(MoveStore) {
		lines = append(lines,
			"env:", "- {name: CAROSBUILD_HOME, value: /carosbuild}",
			"volumeMounts:", "- {name: carosbuild, mountPath: /carosbuild}",
			"volumes:  # of the pod", "- {name: carosbuild, emptyDir: {}}")
	}
	return lines
}

// options are those of docker run and podman run.
func options(has func(Change) bool, p *Process) []string {
	var o []string
	if has(OrdinaryUser) {
		o = append(o, "--user 1000")
	}
	if has(RootCaps) {
		if p.UID != 0 {
			o = append(o, "--user 0")
		}
		for c := range strings.SplitSeq(defaultCaps, ", ") {
			o = append(o, "--cap-add "+c)
		}
	} else if has(IDCaps) {
		o = append(o, "--cap-add SETUID", "--cap-add SETGID")
	}
	if has(PermitCalls) {
		o = append(o, "--security-opt seccomp="+profileName)
	}
	if has(NewPrivs) {
		o = append(o, "(without --security-opt no-new-privileges)")
	}
	if has(MoveStore) {
		o = append(o, "--volume carosbuild:/carosbuild", "--env CAROSBUILD_HOME=/carosbuild")
	}
	return o
}

// account is how files name the account that is to get ids.
func account(p *Process) string {
	if p.Named && p.Name != "" {
		return p.Name
	}
	return "build"
}

// imageCommands are for the image of the container, as its superuser.
func imageCommands(has func(Change) bool, p *Process) []string {
	var c []string
	if list := packages(has); list != "" {
		c = append(c, "apt-get install -y "+list)
	}
	if has(AddAccount) {
		c = append(c, fmt.Sprintf("echo build:x:%d:%d::/:/bin/sh >>/etc/passwd", p.UID, p.GID))
	}
	if has(CapTools) {
		c = append(c, "chmod 755 /usr/bin/newuidmap /usr/bin/newgidmap",
			"setcap cap_setuid+ep /usr/bin/newuidmap", "setcap cap_setgid+ep /usr/bin/newgidmap")
	}
	if has(AddRanges) {
		c = append(c, fmt.Sprintf("echo %s:%d:65536 | tee -a /etc/subuid >>/etc/subgid", account(p), p.FreeIDs))
	}
	return c
}

// packages are Debian's that are to be installed.
func packages(has func(Change) bool) string {
	var list []string
	_, qemu, _ := vm.Program() // without one, nothing wants it
	for _, p := range []struct {
		change Change
		name   string
	}{{AddTools, "uidmap"}, {CapTools, "libcap2-bin"}, {AddRuntime, "runc"}, {AddQEMU, qemu}} {
		if has(p.change) {
			list = append(list, p.name)
		}
	}
	return strings.Join(list, " ")
}

// hostCommand is one command for the administrator of a host.
func hostCommand(has func(Change) bool, p *Process) string {
	var c []string
	if has(PermitUserNS) {
		c = append(c, "sysctl -w "+userSysctl(readSysctl))
	}
	if has(AddAccount) {
		c = append(c, fmt.Sprintf("useradd --uid %d --create-home build", p.UID))
	}
	onHost := func(ch Change) bool { return ch != CapTools && has(ch) }
	if list := packages(onHost); list != "" {
		c = append(c, "apt-get install -y "+list)
	}
	if has(CapTools) {
		c = append(c, "chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap")
	}
	if has(AddRanges) {
		c = append(c, fmt.Sprintf("usermod --add-subuids %[1]d-%[2]d --add-subgids %[1]d-%[2]d %[3]s", p.FreeIDs, p.FreeIDs+65535, account(p)))
	}
	if has(RootCaps) || has(OrdinaryUser) {
		c = append(c, "su - "+account(p)+"  # an ordinary account")
	}
	if has(MoveStore) {
		c = append(c, "export CAROSBUILD_HOME=DIR  # on a file system where programs run")
	}
	return strings.Join(c, " && ")
}
