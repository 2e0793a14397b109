// SPDX-License-Identifier: MPL-2.0

package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/vm/wire"
	"golang.org/x/sys/unix"
)

// The name of the process that becomes the command, the variable that marks it, and its
// descriptors: one with the request, and one for errors and the terminal.
const (
	stepName     = "carosbuild-step"
	stepVariable = "_CAROSBUILD_STEP"
	requestFD    = 3
	reportFD     = 4
)

// command runs the command and waits for it; its remaining processes are killed with its
// PID namespace. Over is the limit that it exceeded, for which it was ended. An error means
// that the command was not started.
func command(c *conn, r *wire.Request) (status int, over string, err error) {
	g, err := newGroup(sandbox.Limits{Memory: r.Memory, PIDs: r.PIDs})
	if err != nil {
		return 0, "", err
	}
	defer g.dir.Close()
	request, give, err := os.Pipe()
	if err != nil {
		return 0, "", err
	}
	defer give.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, "", err
	}
	report, theirs := os.NewFile(uintptr(pair[0]), "report"), os.NewFile(uintptr(pair[1]), "report")
	defer report.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args, cmd.Env, cmd.Dir = []string{stepName}, []string{stepVariable + "=1"}, "/"
	cmd.ExtraFiles = []*os.File{request, theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWIPC, Setsid: true,
		UseCgroupFD: true, CgroupFD: int(g.dir.Fd()),
	}
	s := &streams{conn: c}
	if !r.Terminal {
		if err := s.pipes(cmd); err != nil {
			return 0, "", err
		}
	}
	if err := cmd.Start(); err != nil {
		return 0, "", err
	}
	request.Close()
	theirs.Close()
	s.close(s.theirs)
	if err := json.NewEncoder(give).Encode(r); err != nil {
		return 0, "", errors.Join(err, cmd.Wait())
	}
	give.Close()
	if err := s.follow(report, r.Terminal); err != nil {
		_ = cmd.Wait()
		s.out.Wait()
		return 0, "", err
	}
	stop := g.watch(cmd.Process.Kill)
	err = cmd.Wait()
	over, failure := stop()
	s.out.Wait()
	if failure != nil {
		return 0, "", failure
	}
	status, err = sandbox.ExitStatus(err)
	return status, over, err
}

// streams are the standard streams of a command.
type streams struct {
	conn   *conn
	theirs []*os.File // the command's ends
	stdin  *os.File
	out    sync.WaitGroup
}

func (s *streams) close(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// pipes gives the command its streams.
func (s *streams) pipes(cmd *exec.Cmd) error {
	in, stdin, err := os.Pipe()
	if err != nil {
		return err
	}
	stdout, out, err := os.Pipe()
	if err != nil {
		return err
	}
	stderr, errs, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, errs
	s.theirs, s.stdin = []*os.File{in, out, errs}, stdin
	s.out.Go(func() { s.conn.pump(wire.Stdout, stdout) })
	s.out.Go(func() { s.conn.pump(wire.Stderr, stderr) })
	return nil
}

// follow starts to pass on input, with a terminal if the command has one, and waits until
// the command has been started or has failed to start.
func (s *streams) follow(report *os.File, terminal bool) error {
	var tty *os.File
	if terminal {
		f, err := receiveFile(report)
		if err != nil {
			return err
		}
		tty = f
		s.out.Go(func() { s.conn.pump(wire.Stdout, tty) })
	}
	input := make(chan []byte, 2)
	go s.conn.listen(input, tty)
	if terminal {
		go s.conn.feed(input, tty, func() { _, _ = tty.Write([]byte{4}) }) // the end of input, as typed
	} else {
		go s.conn.feed(input, s.stdin, func() { s.stdin.Close() })
	}
	b := make([]byte, 4096)
	n, err := report.Read(b)
	if n > 0 {
		return errors.New(string(b[:n]))
	}
	if err != nil && err != io.EOF {
		return fmt.Errorf("start the command: %w", err)
	}
	return nil
}

// receiveFile receives the terminal; its error is the reason why there is none.
func receiveFile(report *os.File) (*os.File, error) {
	b, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := unix.Recvmsg(int(report.Fd()), b, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) == 0 {
		return nil, errors.New(string(b[:n]))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, errors.New("the terminal was not passed on")
	}
	return os.NewFile(uintptr(fds[0]), "terminal"), nil
}
