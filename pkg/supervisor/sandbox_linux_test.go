// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/engine/enginetest"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"golang.org/x/sys/unix"

	"github.com/google/go-cmp/cmp"
)

func TestSupervisorIsASandbox(t *testing.T) {
	if !inSingle(t) {
		return
	}
	enginetest.TestSandbox(t, func(t *testing.T) enginetest.Box {
		root := busyboxRoot(t)
		planted(t, root)
		return enginetest.Box{Sandbox: &Sandbox{State: t.TempDir()}, Root: root, Isolated: true}
	})
}

// Programs of a step see the right owners, ids and modes.
func TestSeen(t *testing.T) {
	if !inSingle(t) {
		return
	}
	for _, tt := range []struct{ name, script, want string }{
		{"chown", "touch f; chown 33:44 f; stat -c '%u %g %a' f", "33 44 644\n"},
		{"chown by descriptor and directory", "mkdir d; touch d/f; chown -R web:log d; stat -c '%u %g' d d/f", "33 7\n33 7\n"},
		{"link", "ln -s x l; chown -h 5:6 l; stat -c '%u %g %F' l", "5 6 symbolic link\n"},
		{"device", "touch e; for d in 'd c 5 1' 'd c 0 0' 'd b 8 0' 'e b 8 0' 'none/d c 5 1'; do mknod $d; done 2>&1; ls", "mknod: d: Operation not permitted\nmknod: d: Operation not permitted\nmknod: d: Operation not permitted\nmknod: e: File exists\nmknod: none/d: No such file or directory\nbin\ndev\ne\netc\nproc\nsrv\nsys\ntmp\n"},
		{"fifo", "mkfifo p; chown 1:2 p; stat -c '%F %u %g' p", "fifo 1 2\n"},
		{"chown takes setuid", "touch f; chmod 6755 f; chown 33 f; stat -c %a f", "755\n"},
		{"rename keeps", "touch f; chown 33 f; mv f g; ln g h; stat -c %u g h", "33\n33\n"},
		{"su", "su web -c 'id; touch /tmp/f; mkdir /tmp/d; ln -s x /tmp/l; mkfifo /tmp/p'; cd tmp; stat -c '%n %u %g' f d l p", "uid=33(web) gid=44(web) groups=7(log),44(web)\nf 33 44\nd 33 44\nl 33 44\np 33 44\n"},
		{"no rights", "touch f; su web -c 'chown 33 /f; chmod 600 /f; mknod /tmp/n c 1 3; chown 33:7 /f; chroot / true' 2>&1; true", "chown: /f: Operation not permitted\nchmod: /f: Operation not permitted\nmknod: /tmp/n: Operation not permitted\nchown: /f: Operation not permitted\nchroot: can't change root directory to '/': Operation not permitted\n"},
		{"own group", "su web -c 'touch /tmp/f; chgrp 7 /tmp/f; stat -c %g /tmp/f; chgrp 5 /tmp/f' 2>&1; true", "7\nchgrp: /tmp/f: Operation not permitted\n"},
		{"umask", "su web -c 'umask 027; touch /tmp/f; mkdir /tmp/d; stat -c %a /tmp/f /tmp/d'", "640\n750\n"},
		{"setgid directory", "mkdir d; chown 0:44 d; chmod 2775 d; touch d/f; mkdir d/s; stat -c '%u %g %a' d/f d/s", "0 44 644\n0 44 2755\n"},
		{"behind a link", "su web -c 'cd /tmp; ln -s new l; echo x > l; stat -c %u new; cat l'", "33\nx\n"},
		{"/proc/self/fd", "touch f; exec 5<f; chown 33:44 /proc/self/fd/5; stat -c '%u %g' f; stat -L -c %u /proc/self/fd/5 /dev/fd/5", "33 44\n33\n33\n"},
		{"chroot", "mkdir -p r/bin; cp bin/busybox r/bin; ln bin/busybox r/bin/sh; chroot r /bin/sh -c '/bin/busybox mkdir -p /a/b; /bin/busybox ln -s /a /l; cd /a; /bin/busybox chown 33:44 /l/b; /bin/busybox chown 5 .; /bin/busybox stat -c %u /a/b'; stat -c '%n %u %g' r/a r/a/b", "33\nr/a 5 0\nr/a/b 33 44\n"},
		{"own limit", "ulimit -a | grep -c unlimited >/dev/null && echo yes", "yes\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := busyboxRoot(t)
			planted(t, root)
			var out bytes.Buffer
			s := &Sandbox{State: t.TempDir()}
			c := shell(root, tt.script)
			c.Stdout, c.Stderr = &out, &out
			status, err := s.Run(t.Context(), c)
			if diff := cmp.Diff(out.String(), tt.want); diff != "" || status != 0 || err != nil {
				t.Errorf("status %d, %v; output (-got +want):\n%s", status, err, diff)
			}
		})
	}
}

// A step that gets a terminal has its own, of the same size.
func TestTerminal(t *testing.T) {
	if !inSingle(t) {
		return
	}
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	n, err := unix.IoctlGetUint32(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0),
		unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 33, Col: 77})); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	root := busyboxRoot(t)
	planted(t, root)
	c := shell(root, "tty; stty size; read x; echo got $x; head -n 1 /dev/tty; kill -INT $$; sleep 1; exit 4")
	c.Terminal, c.Stdin, c.Stdout, c.Stderr = true, slave, slave, slave
	go func() { _, _ = master.WriteString("word\nmore\n") }()
	status, err := runTimed(&Sandbox{State: t.TempDir()}, c)
	if err != nil || status != 130 {
		t.Errorf("status %d, %v", status, err)
	}
	buf := make([]byte, 4096)
	size, err := master.Read(buf)
	for _, want := range []string{"/dev/pts/0\r\n", "33 77\r\n", "got word\r\n", "more\r\n"} {
		if err != nil || !strings.Contains(string(buf[:size]), want) {
			t.Errorf("%q is not in %q, %v", want, buf[:size], err)
		}
	}
}

// If the variable was set by hand, a message says so, and nothing is done.
func TestVariableOfSomebodyElse(t *testing.T) {
	for _, value := range []string{stageInit, stageStep, "x"} {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
		cmd.Env = append(os.Environ(), stageVar+"="+value)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != failed || !strings.Contains(string(out), "unset it") {
			t.Errorf("%s: %v, %q", value, err, out)
		}
	}
}

// A step that exceeds its limits is ended, and its output says so.
func TestLimits(t *testing.T) {
	if !inSingle(t) {
		return
	}
	for _, tt := range []struct {
		name, script string
		limits       sandbox.Limits
		status       int
		want         string
	}{
		{"processes", "i=0; while [ $i -lt 280 ]; do sleep 100 & i=$((i+1)); done; wait", sandbox.Limits{PIDs: 100}, 137, "more than 100 processes"},
		{"memory", "for i in 1 2 3 4; do sh -c 'x=$(head -c 2000000 /dev/zero | tr \"\\0\" x); sleep 100; true' & done; wait", sandbox.Limits{Memory: 5 << 20}, 137, "more than 5242880 bytes"},
		{"limits of the kernel", "grep 'Max processes' /proc/self/limits | tr -s ' ' | cut -d ' ' -f 3; ulimit -d", sandbox.Limits{PIDs: 100, Memory: 1 << 30}, 0, "912\n1048576\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := busyboxRoot(t)
			planted(t, root)
			var out bytes.Buffer
			c := shell(root, tt.script)
			c.Stdout, c.Stderr, c.Limits = &out, &out, tt.limits
			status, err := (&Sandbox{State: t.TempDir()}).Run(t.Context(), c)
			if err != nil || status != tt.status || !strings.Contains(out.String(), tt.want) {
				t.Errorf("status %d, %v: %.500q", status, err, out.String())
			}
		})
	}
}
