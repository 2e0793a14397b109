// SPDX-License-Identifier: MPL-2.0

package doctor

import (
	"slices"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/vm"
	"golang.org/x/sys/unix"
)

const (
	dockerCaps = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FOWNER | 1<<unix.CAP_FSETID | 1<<unix.CAP_KILL | 1<<unix.CAP_MKNOD |
		1<<unix.CAP_SETFCAP | 1<<unix.CAP_SETPCAP | 1<<unix.CAP_SETGID | 1<<unix.CAP_SETUID | 1<<unix.CAP_SYS_CHROOT
	allCaps = 1<<41 - 1
)

// host is what an examination may find: all of it works but for what is named.
func host(refused ...string) Abilities {
	var a Abilities
	for _, n := range append([]string{UserNamespace, IDRanges, IDTools, Store, Runtime, QEMU}, insideNames...) {
		s := Works
		switch {
		case slices.Contains(refused, n):
			s = Refused
		case slices.Contains(refused, UserNamespace) && slices.Contains(insideNames, n):
			s = Unknown
		}
		found := Ability{Name: n, State: s}
		if n == Runtime && s == Refused {
			found.Needs = []Change{AddRuntime}
		}
		a = append(a, found)
	}
	return a
}

// tools gives newuidmap a kind.
func tools(a Abilities, p *Process, k toolKind) Abilities {
	for i := range a {
		if a[i].Name == IDTools {
			why, needs := toolFaults(p, map[string]toolKind{"newuidmap": k, "newgidmap": k})
			if len(why) > 0 {
				a[i] = Ability{Name: IDTools, State: Refused, Needs: needs}
			}
		}
	}
	return a
}

func TestSufficient(t *testing.T) {
	user := Process{Place: Kubernetes, UID: 1000, Named: true, Name: "build"}
	restricted := user
	restricted.NoNewPrivs, restricted.Filtered, restricted.MaskedProc = true, true, true
	docked := restricted
	docked.Place = Docker
	capable := user
	capable.Bounding = dockerCaps
	root := Process{Place: Kubernetes, Named: true, Filtered: true, MaskedProc: true, Effective: dockerCaps, Bounding: dockerCaps}
	bare := Process{Place: Kubernetes, Named: true, NoNewPrivs: true}
	nameless := capable
	nameless.Named = false
	account := Process{Place: Host, UID: 1000, Named: true, Bounding: allCaps}
	for _, tt := range []struct {
		name, rung string
		p          Process
		a          Abilities
		want       string
	}{
		{"restricted pod", RungUserns, restricted, tools(host(UserNamespace, IDRanges), &restricted, toolSetuid), "seccomp id-ranges tool-caps id-caps new-privileges"},
		{"restricted container", RungUserns, docked, tools(host(UserNamespace, IDRanges), &docked, toolSetuid), "seccomp id-ranges tool-caps id-caps new-privileges"},
		{"restricted pod", RungSingleID, restricted, host(UserNamespace, IDRanges), "seccomp"},
		{"restricted pod", RungChroot, restricted, host(UserNamespace), "root-caps"},
		{"restricted pod", RungVM, restricted, host(UserNamespace), ""},
		{"restricted pod", RungVM, restricted, host(QEMU), "qemu"},
		{"pod of a user", RungUserns, capable, tools(host(), &capable, toolCaps), ""},
		{"set-user-ID tools", RungUserns, capable, tools(host(), &capable, toolSetuid), "tool-caps"},
		{"no tools", RungUserns, capable, tools(host(), &capable, toolMissing), "id-tools tool-caps"},
		{"no name", RungUserns, nameless, tools(host(), &nameless, toolCaps), "account"},
		{"default pod", RungUserns, root, host(UserNamespace), "seccomp"},
		{"default pod", RungChroot, root, host(UserNamespace), ""},
		{"default pod without runc", RungChroot, root, host(UserNamespace, Runtime), ""},
		{"root without capabilities", RungUserns, bare, host(), "root-caps new-privileges"},
		{"root without capabilities", RungSingleID, bare, host(MapOneID), "ordinary-user"},
		{"host without ranges", RungUserns, account, tools(host(IDRanges), &account, toolSetuid), "id-ranges"},
		{"host without a runtime", RungUserns, account, tools(host(Runtime), &account, toolSetuid), "runtime"},
		{"host that forbids user namespaces", RungSingleID, account, host(UserNamespace), "sysctl"},
		{"host that forbids mounts", RungSingleID, account, host(Mounts), "sysctl"},
		{"masked /proc, and no setns", RungUserns, root, host(FreshProc, Setns), "seccomp"},
		{"masked /proc", RungUserns, root, host(FreshProc), ""},
		{"noexec", RungChroot, root, host(Store), "store"},
	} {
		changes, ok := Sufficient(tt.rung, &tt.p, tt.a)
		var got []string
		for _, c := range changes {
			got = append(got, string(c))
		}
		if s := strings.Join(got, " "); !ok || s != tt.want {
			t.Errorf("%s, %s: %q, want %q", tt.name, tt.rung, s, tt.want)
		}
	}
	if _, ok := Sufficient("cloud", &user, nil); ok {
		t.Error("a way that is not known has changes")
	}
}

func TestNext(t *testing.T) {
	all := []Advice{{Rung: "a", Changes: []Change{PermitCalls, NewPrivs}}, {Rung: "b", Changes: []Change{PermitCalls}}, {Rung: "d", Changes: []Change{AddQEMU}}}
	rungs := []string{"a", "b", "c", "d"}
	for taken, want := range map[string]string{"": "b", "c": "b", "b": "a", "a": "", "d": "b"} {
		got, ok := Next(all, rungs, taken)
		if got.Rung != want || ok != (want != "") {
			t.Errorf("where %q is taken: %q, want %q", taken, got.Rung, want)
		}
	}
}

func TestPlanLeavesOutWhatWorks(t *testing.T) {
	p := Process{Place: Host, UID: 1000, Named: true, Name: "me", FreeIDs: 100000, Bounding: allCaps}
	got := Plan([]string{RungUserns, RungVM, RungChroot}, func(r string) bool { return r == RungChroot }, &p, host(IDRanges, QEMU))
	if len(got) != 2 || got[0].Rung != RungUserns || got[0].Host != "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 me" || got[1].Rung != RungVM {
		t.Errorf("got %+v", got)
	}
}

// every is all that can be advised to an account.
var every = []Change{PermitCalls, NewPrivs, IDCaps, AddAccount, AddRanges, AddTools, CapTools, AddRuntime, AddQEMU, MoveStore}

// qemu is the package that AddQEMU wants here.
var _, qemu, _ = vm.Program()

func TestWords(t *testing.T) {
	p := Process{Place: Kubernetes, UID: 54321, GID: 5, FreeIDs: 165536}
	a := Word(RungUserns, every, &p)
	want := `on the machine that the container runs on:
  carosbuild doctor --seccomp-profile >/var/lib/kubelet/seccomp/carosbuild.json
in the build of the container's image, as root:
  apt-get install -y uidmap libcap2-bin runc ` + qemu + `
  echo build:x:54321:5::/:/bin/sh >>/etc/passwd
  chmod 755 /usr/bin/newuidmap /usr/bin/newgidmap
  setcap cap_setuid+ep /usr/bin/newuidmap
  setcap cap_setgid+ep /usr/bin/newgidmap
  echo build:165536:65536 | tee -a /etc/subuid >>/etc/subgid
in the pod's specification, for the container:
  securityContext:
    allowPrivilegeEscalation: true
    capabilities:
      add: [SETGID, SETUID]
    seccompProfile:  # or only type: Unconfined
      type: Localhost
      localhostProfile: carosbuild.json
  env:
  - {name: CAROSBUILD_HOME, value: /carosbuild}
  volumeMounts:
  - {name: carosbuild, mountPath: /carosbuild}
  volumes:  # of the pod
  - {name: carosbuild, emptyDir: {}}`
	if got := strings.Join(a.Lines(), "\n"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestOptions(t *testing.T) {
	p := Process{Place: Docker, UID: 1000, Named: true}
	changes := []Change{PermitCalls, RootCaps, MoveStore}
	docker := strings.Join(Word(RungUserns, changes, &p).Docker, " ")
	for _, want := range []string{"--user 0", "--cap-add SYS_CHROOT", "--security-opt seccomp=carosbuild.json", "--volume carosbuild:/carosbuild"} {
		if !strings.Contains(docker, want) {
			t.Errorf("%s is not in %s", want, docker)
		}
	}
	p.Place = Podman
	if got := strings.Join(Word(RungSingleID, []Change{OrdinaryUser}, &p).Podman, " "); got != "--user 1000" {
		t.Error(got)
	}
}

func TestUserSysctl(t *testing.T) {
	for name, want := range map[string]string{
		"kernel.unprivileged_userns_clone=0":             "kernel.unprivileged_userns_clone=1",
		"kernel.apparmor_restrict_unprivileged_userns=1": "kernel.apparmor_restrict_unprivileged_userns=0",
		"user.max_user_namespaces=0":                     "user.max_user_namespaces=10000",
		"user.max_user_namespaces=5":                     "user.max_user_namespaces=10000",
	} {
		key, value, _ := strings.Cut(name, "=")
		got := userSysctl(func(k string) string {
			if k == key {
				return value
			}
			return ""
		})
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
