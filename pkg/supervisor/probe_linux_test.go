// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/google/go-cmp/cmp"
)

// probeRoot is a root with the program of testdata/probe for an architecture.
func probeRoot(t testing.TB, arch string) string {
	t.Helper()
	tool, err := exec.LookPath("go")
	if err != nil {
		missing(t, "the Go compiler")
	}
	root := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), tool, "build", "-o", filepath.Join(root, "probe"), "./testdata/probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	planted(t, root)
	return root
}

// probe runs the program in a namespace with one id.
func probe(t testing.TB, root, arch string, args ...string) string {
	t.Helper()
	cmd := single(t, append([]string{"probe", t.TempDir(), root, arch}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) == 0 {
		missing(t, "a user namespace: "+err.Error())
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func init() {
	programs["probe"] = func(a []string) error {
		s := &Sandbox{State: a[0]}
		s.Scratch = a[0]
		var out bytes.Buffer
		c := sandbox.Command{
			ID: "probe", Root: a[1], Args: append([]string{"/probe"}, a[3:]...), Cwd: "/", Network: sandbox.NoNetwork,
			Env: []string{"HOME=/"}, Stdout: &out, Stderr: &out,
		}
		if a[2] != "386" {
			c.Arch = a[2]
		}
		status, err := runTimed(s, c)
		fmt.Print(out.String())
		if err == nil && status != 0 {
			err = fmt.Errorf("status %d", status)
		}
		return err
	}
}

const probed = `create <nil>
chown <nil>
lstat f <nil>
statx <nil>
100640 33:70000 0,0 3 1 true; 100640 33:70000 0,0
symlink <nil>
lchown <nil>
lstat l <nil>
statx <nil>
120777 5:6 0,0 1 1 true; 120777 5:6 0,0
open <nil>
fchown <nil>
fstat <nil>
7 70000 3
fchownat <nil>
mknod operation not permitted
whiteout operation not permitted
once more file exists
mkdir <nil>
chown <nil>
chmod <nil>
in a setgid directory <nil>
lstat d/f <nil>
statx <nil>
100600 0:44 0,0 0 1 true; 100600 0:44 0,0
setxattr <nil>
forge operation not permitted
listxattr <nil>
"user.x\x00"
"1" <nil>
look no data available
remove no data available
openat2 function not implemented
setgroups <nil>
[3 7 70000] <nil>
setresgid <nil>
setresuid <nil>
33 40002 0 33 40002 44 40001
as another user <nil>
in an open directory <nil>
lstat d/u <nil>
statx <nil>
100644 40002:44 0,0 0 1 true; 100644 40002:44 0,0
chown operation not permitted
back <nil>
chown <nil>
setuid <nil>
drop <nil>
and back operation not permitted
getrlimit <nil>
true true
setrlimit operation not permitted
33 7 7 44 8 8
`

// The same program sees the same on each architecture that this machine runs, natively or
// emulated.
func TestArchitectures(t *testing.T) {
	archs := []string{runtime.GOARCH}
	switch runtime.GOARCH {
	case "amd64":
		archs = append(archs, "386", "arm", "arm64")
	case "arm64":
		archs = append(archs, "arm")
	}
	for _, arch := range archs {
		t.Run(arch, func(t *testing.T) {
			got := probe(t, probeRoot(t, arch), arch)
			want := probed
			if arch != "386" && arch != runtime.GOARCH { // an emulator's own credentials count
				want = strings.Replace(want, "33 7 7 44 8 8", "33 33 33 44 40001 40001", 1)
			}
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("(-got +want):\n%s", diff)
			}
		})
	}
}

// Ids are those of the program that the kernel has executed, and change only then.
func TestExecuted(t *testing.T) {
	root := probeRoot(t, runtime.GOARCH)
	for what, want := range map[string]string{
		"late": "read <nil>\nwrite <nil>\nchmod <nil>\nbecome <nil>\ntrue\n33 33 33\ntrue\n33 33 33\n33 33 33 0 0 0\n",
		"swap": "read <nil>\nbecome <nil>\nroot as another program: 0 as itself: true neither: true\n",
	} {
		if diff := cmp.Diff(probe(t, root, runtime.GOARCH, what), want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", what, diff)
		}
	}
}
