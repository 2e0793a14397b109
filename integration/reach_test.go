// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/carosio/carosbuild/pkg/doctor"
)

// examined is what "doctor --json" prints.
type examined struct {
	Process   doctor.Process
	Abilities doctor.Abilities
	Sandboxes []struct {
		Name    string
		Works   bool
		Refused *struct{ Reason string }
	}
	Sandbox string
	Advice  []doctor.Advice
	Next    string
}

// doctor asks the doctor in a pod.
func (p *pod) doctor(t *testing.T) examined {
	t.Helper()
	r := p.run(t, "doctor", "--json")
	var e examined
	if err := json.Unmarshal([]byte(r.stdout), &e); err != nil {
		t.Fatalf("%v\n%s%s", err, tailOf(r.stdout), tailOf(r.stderr))
	}
	if want := map[bool]int{true: 4}[e.Sandbox == ""]; r.status != want {
		t.Errorf("exit status %d, want %d\n%s", r.status, want, tailOf(r.stderr))
	}
	return e
}

// needsRoot skips a test that imitates pods where nobody may.
func needsRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		if os.Getenv("CAROSBUILD_REACH") == "1" {
			t.Fatal("imitating a pod wants the superuser: sudo make reach")
		}
		t.Skip("imitating a pod wants the superuser")
	}
}

// TestReach follows the doctor's advice for each sandbox in each pod, all of it at
// once, and then a build works there.
func TestReach(t *testing.T) {
	needsRoot(t)
	kinds := []string{"root without capabilities", "user, unconfined and unmasked"}
	if os.Getenv("CAROSBUILD_REACH") == "1" {
		kinds = slices.Sorted(maps.Keys(podKinds(t)))
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			found := newPod(t, kind).doctor(t)
			for _, s := range found.Sandboxes {
				switch i := slices.IndexFunc(found.Advice, func(a doctor.Advice) bool { return a.Rung == s.Name }); {
				case s.Works:
					newPod(t, kind).builds(t, s.Name)
				case i < 0:
					t.Errorf("no advice for sandbox %s: %s", s.Name, s.Refused.Reason)
				default:
					p := newPod(t, kind)
					p.follow(t, &found.Advice[i])
					p.builds(t, s.Name)
				}
			}
			if found.Sandbox == "" {
				newPod(t, kind).fails(t, found.Next)
			}
		})
	}
}

// builds checks that a build works in the pod, in a sandbox.
func (p *pod) builds(t *testing.T, sandbox string) {
	t.Helper()
	r := p.run(t, "--progress=plain", "--sandbox", sandbox, "tiny.xml")
	if r.status != 0 || !strings.Contains(r.stderr, "found 33:44 4750") {
		t.Errorf("sandbox %s, exit status %d:\n%s%s", sandbox, r.status, tailOf(r.stdout), tailOf(r.stderr))
	}
}

// fails checks that a build in the pod says what is wanted, and nothing else.
func (p *pod) fails(t *testing.T, next string) {
	t.Helper()
	r := p.run(t, "tiny.xml")
	if p.UID == 54321 { // of whom no file says where the home is
		if r.status != 4 || !strings.Contains(r.stderr, "remedy: set CAROSBUILD_HOME") {
			t.Errorf("exit status %d:\n%s", r.status, tailOf(r.stderr))
		}
		return
	}
	if r.status != 4 || !strings.Contains(r.stderr, "sandbox "+next+" needs all of these changes") || strings.Contains(r.stderr, "goroutine") || strings.Count(r.stderr, "\n") > 40 {
		t.Errorf("exit status %d:\n%s", r.status, tailOf(r.stderr))
	}
}

// podLines is what the advice says of a pod.
type podLines struct {
	SecurityContext struct {
		RunAsUser                *uint32 `yaml:"runAsUser"`
		RunAsNonRoot             *bool   `yaml:"runAsNonRoot"`
		AllowPrivilegeEscalation bool    `yaml:"allowPrivilegeEscalation"`
		Capabilities             struct{ Add []string }
		SeccompProfile           struct {
			Type             string
			LocalhostProfile string `yaml:"localhostProfile"`
		} `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	Env     []struct{ Name, Value string }
	Volumes []struct {
		Name     string
		EmptyDir struct{} `yaml:"emptyDir"`
	}
	VolumeMounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
}

// follow does what the advice says, by its words.
func (p *pod) follow(t *testing.T, a *doctor.Advice) {
	t.Helper()
	p.Prepare = a.Image
	if p.Docker {
		p.followOptions(t, a)
		return
	}
	var l podLines
	dec := yaml.NewDecoder(strings.NewReader(strings.Join(a.Pod, "\n")))
	dec.KnownFields(true)
	if err := dec.Decode(&l); err != nil && len(a.Pod) > 0 {
		t.Fatalf("%v:\n%s", err, strings.Join(a.Pod, "\n"))
	}
	c := l.SecurityContext
	if c.RunAsUser != nil {
		p.UID = *c.RunAsUser
		if c.RunAsNonRoot == nil || *c.RunAsNonRoot == (p.UID == 0) {
			t.Errorf("user %d, and runAsNonRoot does not fit", p.UID)
		}
	}
	if c.AllowPrivilegeEscalation {
		p.NoNewPrivs = false
	}
	for _, e := range l.Env {
		p.Env = append(p.Env, e.Name+"="+e.Value)
	}
	for _, v := range l.VolumeMounts {
		if len(l.Volumes) != 1 || l.Volumes[0].Name != v.Name {
			t.Errorf("volume %s: there are %v", v.Name, l.Volumes)
		}
		p.volume(t, v.MountPath)
	}
	for _, name := range c.Capabilities.Add {
		p.Caps = append(slices.Clone(p.Caps), "CAP_"+name)
	}
	if c.SeccompProfile.Type == "Localhost" {
		p.makeFilter(t, a, "/var/lib/kubelet/seccomp/"+c.SeccompProfile.LocalhostProfile)
	}
}

// makeFilter makes the profile as the advice says.
func (p *pod) makeFilter(t *testing.T, a *doctor.Advice, file string) {
	t.Helper()
	if want := "carosbuild doctor --seccomp-profile >" + file; len(a.Node) != 1 || a.Node[0] != want {
		t.Errorf("the profile is made by %v, want %s", a.Node, want)
	}
	w := newWorld(t)
	p.Filter = readFilter(t, []byte(w.ok(t, program(t), "doctor", "--seccomp-profile").stdout))
}

// followOptions does what options of docker run do.
func (p *pod) followOptions(t *testing.T, a *doctor.Advice) {
	t.Helper()
	for _, o := range a.Docker {
		name, value, _ := strings.Cut(o, " ")
		key, file, _ := strings.Cut(value, "=")
		switch {
		case o == "(without --security-opt no-new-privileges)":
			p.NoNewPrivs = false
		case name == "--cap-add":
			p.Caps = append(slices.Clone(p.Caps), "CAP_"+value)
		case name == "--user" && value == "0":
			p.UID = 0
		case name == "--user" && value == "1000":
			p.UID = 1000
		case key == "seccomp":
			p.makeFilter(t, a, file)
		case name == "--env":
			p.Env = append(p.Env, value)
		case name == "--volume":
			_, at, _ := strings.Cut(value, ":")
			p.volume(t, at)
		default:
			t.Errorf("option %s", o)
		}
	}
}

// TestReachWithoutHome looks at a declaration, an image and a disk where nothing can be
// written but an output, as an ordinary user and as the superuser.
func TestReachWithoutHome(t *testing.T) {
	needsRoot(t)
	for _, kind := range []string{"restricted", "default"} {
		t.Run(kind, func(t *testing.T) { withoutHome(t, kind) })
	}
}

func withoutHome(t *testing.T, kind string) {
	w := newWorld(t)
	p := newPod(t, kind)
	p.Env, p.ReadOnly = []string{"TMPDIR=/nonexistent", "HOME=/nonexistent"}, true
	w.work = p.dir + "/work"
	w.build(t, "-B", "one", "tiny.xml")
	w.ok(t, program(t), "export", "one:base", "--to", "oci:image:v1")
	for _, args := range [][]string{
		{"plan", "tiny.xml"},
		{"disk", "oci:image:v1", "--declaration", "tiny.xml", "--out", "d.raw"},
		{"inspect", "d.raw"},
	} {
		r := p.run(t, args...)
		if r.status != 0 {
			t.Errorf("%v: exit status %d\n%s", args, r.status, tailOf(r.stderr))
		}
		if n := strings.Count(r.stderr, "the cache of this run is "); n > 1 || n == 0 && args[0] != "inspect" {
			t.Errorf("%v: %s", args, r.stderr)
		}
	}
	r := p.run(t, "tiny.xml")
	if r.status != 4 || !strings.Contains(r.stderr, "CAROSBUILD_HOME") {
		t.Errorf("a build: exit status %d\n%s", r.status, tailOf(r.stderr))
	}
}
