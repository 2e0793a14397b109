// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"archive/tar"
	"fmt"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/terminal"
)

// time is the mtime in the layer.
func (d *differ) time(st *unix.Stat_t) time.Time {
	sec := int64(st.Mtim.Sec)
	if d.Clamp != nil && sec > *d.Clamp {
		sec = *d.Clamp
	}
	return time.Unix(sec, 0)
}

// header completes an entry.
func (d *differ) header(full string, st *unix.Stat_t, xattrs map[string]string, h *tar.Header) *tar.Header {
	h.Name, h.Mode, h.Uid, h.Gid = full, int64(st.Mode&0o7777), int(st.Uid), int(st.Gid)
	h.ModTime, h.PAXRecords = d.time(st), xattrs
	d.ids[unixIDs{st.Uid, st.Gid}] = true
	return h
}

// emit writes an entry and sets the file in dir to the entry's time.
func (d *differ) emit(dir int, name, full string, st *unix.Stat_t, xattrs map[string]string, h *tar.Header) error {
	if err := d.release(); err != nil {
		return err
	}
	d.header(full, st, xattrs, h)
	if err := d.setTime(dir, name, full, st, h.ModTime); err != nil {
		return err
	}
	return d.write(h)
}

// setTime sets an mtime unless st has it already.
func (d *differ) setTime(dir int, name, full string, st *unix.Stat_t, to time.Time) error {
	if name != "." && to.Unix() == int64(st.Mtim.Sec) && int64(to.Nanosecond()) == int64(st.Mtim.Nsec) {
		return nil
	}
	ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Sec: to.Unix(), Nsec: int64(to.Nanosecond())}}
	if err := unix.UtimesNanoAt(dir, name, ts, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("set time of %s: %w", shown(full), err)
	}
	return nil
}

func (d *differ) write(h *tar.Header) error {
	d.n++
	h.Format = tar.FormatPAX
	if h.Uid < 0 || h.Gid < 0 {
		return fmt.Errorf("%s: owner %d:%d out of range", shown(h.Name), h.Uid, h.Gid)
	}
	if d.Limit > 0 && d.split.size+h.Size > d.Limit {
		return fmt.Errorf("%s (%d bytes): the step's files make a layer of more than %d bytes", shown(h.Name), h.Size, d.Limit)
	}
	if err := d.tw.WriteHeader(h); err != nil {
		return fmt.Errorf("%s: %w", shown(h.Name), err)
	}
	return nil
}

// shown is a path below the root for messages. It is escaped, since a step chose it.
func shown(rel string) string { return terminal.Line("/" + rel) }

// cleanRel is the path of p relative to the root, "" for the root itself.
func cleanRel(p string) string {
	return strings.TrimPrefix(path.Clean("/"+p), "/")
}
