// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"cmp"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/userns"

	gocmp "github.com/google/go-cmp/cmp"
)

// Variables for the tests on Debian: an existing base tar, made as below, and the packages to
// install.
const (
	baseVar     = "CAROSBUILD_OWNERS_BASE"
	packagesVar = "CAROSBUILD_OWNERS_PACKAGES"
)

// debianBase is a tar file of a small Debian.
func debianBase(t *testing.T) string {
	t.Helper()
	if os.Getenv("CAROSBUILD_NETWORK_TESTS") != "1" {
		t.Skip("set CAROSBUILD_NETWORK_TESTS=1")
	}
	if file := os.Getenv(baseVar); file != "" {
		return file
	}
	file := filepath.Join(t.TempDir(), "base.tar")
	cmd := exec.CommandContext(t.Context(), "mmdebstrap", "--variant=minbase",
		"--include=acl,attr,busybox,libcap2-bin,passwd,perl-base,sudo,util-linux", "bookworm", file)
	if out, err := cmd.CombinedOutput(); err != nil {
		missing(t, "mmdebstrap: "+err.Error()+": "+string(out))
	}
	return file
}

// in runs a program of this test and returns what it prints.
func in(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v: %s", cmd.Args, err, out)
	}
	return string(out)
}

// supervised makes a root from a base, runs a script and lists the root's files.
func supervised(t *testing.T, base, network, script string) (out, list string, took time.Duration) {
	state, root := t.TempDir(), filepath.Join(t.TempDir(), "root")
	in(t, single(t, "untar", state, root, base))
	start := time.Now()
	out = in(t, single(t, "run", state, root, network, script))
	took = time.Since(start)
	return out, in(t, single(t, "list", state, root)), took
}

// Real root prints the same, and leaves the same files.
func TestLikeRoot(t *testing.T) {
	base := debianBase(t)
	if os.Getuid() != 0 {
		missing(t, "to be root")
	}
	out, list, _ := supervised(t, base, "none", "testdata/like.sh")
	root := filepath.Join(t.TempDir(), "root")
	in(t, exec.CommandContext(t.Context(), "/proc/self/exe", "real-untar", "", root, base))
	wantOut := in(t, exec.CommandContext(t.Context(), "unshare", "-mpfiun", "sh", "-ec", realRoot, "sh", root, "testdata/like.sh"))
	want := in(t, exec.CommandContext(t.Context(), "/proc/self/exe", "real-list", "", root))
	if diff := gocmp.Diff(strings.Split(out, "\n"), strings.Split(wantOut, "\n")); diff != "" {
		t.Errorf("printed (-supervised +real root):\n%s", diff)
	}
	compareLists(t, list, want)
}

// realRoot runs a script in a root as real root, with the capabilities of a step except for
// CAP_MKNOD, which does not work in a user namespace.
const realRoot = `mount --make-rprivate /; file=$(realpath "$2"); cd "$1"; mkdir -p dev proc sys
echo "127.0.0.1 localhost" > etc/hosts; hostname localhost
mount -t proc proc proc; mount -t tmpfs -o mode=755 dev dev; for d in null zero full random urandom tty; do touch dev/$d; mount --bind /dev/$d dev/$d; done
ln -s /proc/self/fd dev/fd; mkdir dev/shm; chmod 1777 dev/shm
setpriv --bounding-set=-all,+audit_write,+chown,+dac_override,+fowner,+fsetid,+kill,+net_bind_service,+net_raw,+setfcap,+setgid,+setpcap,+setuid,+sys_chroot \
	chroot . /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive /bin/sh -c "$(cat "$file")"
umount -R dev; umount proc; rmdir dev; rm etc/hosts`

// inherent are files whose content differs each time.
var inherent = regexp.MustCompile(`^(etc/(machine-id|ssh/ssh_host_.*|ssl/(certs|private)/ssl-cert-snakeoil.*|shadow-?)|` +
	`var/(log/.*|cache/(apt/.*\.bin|ldconfig/aux-cache)|lib/(dbus/machine-id|apt/lists/.*|postgresql/.*/(pg_control|pgstat\.stat|pg_wal/.*)))) `)

func compareLists(t *testing.T, got, want string) {
	t.Helper()
	lines := func(list string) []string {
		ls := strings.Split(list, "\n")
		for i, l := range ls {
			if inherent.MatchString(l) {
				ls[i] = l[:strings.LastIndexByte(l, ' ')]
			}
		}
		return ls
	}
	g, w := lines(got), lines(want)
	if len(g) < 1000 {
		t.Fatalf("the list has just %d lines", len(g))
	}
	if diff := gocmp.Diff(g, w); diff != "" {
		t.Errorf("files (-supervised +real):\n%s", diff)
	}
	t.Logf("%d files", len(w)-1)
}

// Packages leave the same files as in a namespace with ids of its own.
func TestPackages(t *testing.T) {
	base := debianBase(t)
	script := filepath.Join(t.TempDir(), "script")
	packages := cmp.Or(os.Getenv(packagesVar), "openssh-server dbus cron sudo iputils-ping man-db exim4-daemon-light polkitd logrotate at systemd")
	text := "set -e\napt-get update -q >/dev/null\napt-get install -q -y --no-install-recommends " + packages + "\napt-get clean\n"
	if err := os.WriteFile(script, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	state, root := t.TempDir(), filepath.Join(t.TempDir(), "root")
	ranges := func(args ...string) string {
		var out strings.Builder
		status, err := userns.Enter(t.Context(), userns.Entry{
			Account: userns.Account{UID: os.Getuid(), GID: os.Getgid(), Name: u.Username}, Args: append([]string{"test"}, args...),
			Env: append(os.Environ(), "XDG_RUNTIME_DIR="+state), Stdout: &out, Stderr: &out,
		})
		if err != nil || status != 0 {
			t.Fatalf("%v: status %d, %v: %s", args, status, err, out.String())
		}
		return out.String()
	}
	ranges("real-untar", state, root, base)
	defer ranges("remove", root)
	start := time.Now()
	ranges("real-run", state, root, "host", script)
	real := time.Since(start)
	want := ranges("real-list", state, root)
	_, list, took := supervised(t, base, "host", script)
	compareLists(t, list, want)
	t.Logf("%v supervised, %v with ids: ratio %.2f", took.Round(time.Second), real.Round(time.Second), took.Seconds()/real.Seconds())
}
