// SPDX-License-Identifier: MPL-2.0

package guest

import (
	"fmt"
	"os"

	"github.com/carosio/carosbuild/pkg/vm/wire"
	"golang.org/x/sys/unix"
)

// terminal makes a terminal in the command's own /dev/pts, sends its other end to report, and
// makes it the controlling terminal and all three streams.
func terminal(report *os.File, r *wire.Request) error {
	master, err := unix.Open("/dev/pts/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err != nil {
		return err
	}
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return err
	}
	tty, err := unix.Open(fmt.Sprintf("/dev/pts/%d", n), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if w := r.Window; w.Rows > 0 && w.Cols > 0 {
		if err := unix.IoctlSetWinsize(tty, unix.TIOCSWINSZ, &unix.Winsize{Row: w.Rows, Col: w.Cols}); err != nil {
			return err
		}
	}
	if err := unix.Fchown(tty, int(r.UID), -1); err != nil {
		return err
	}
	if err := unix.IoctlSetInt(tty, unix.TIOCSCTTY, 0); err != nil {
		return err
	}
	if err := unix.Sendmsg(int(report.Fd()), []byte{0}, unix.UnixRights(master), nil, 0); err != nil {
		return err
	}
	for fd := range 3 {
		if err := unix.Dup3(tty, fd, 0); err != nil {
			return err
		}
	}
	return unix.Close(master)
}
