// SPDX-License-Identifier: MPL-2.0

package snapshot

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/layer/archive"
)

// overlay says how overlay file systems are mounted with this kernel and namespace.
type overlay struct {
	prefix string // of overlay's own extended attributes
	user   bool   // mount option userxattr
}

func detectOverlay() (overlay, error) {
	user, err := inUserNamespace()
	if err != nil {
		return overlay{}, err
	}
	if user || !hasAdmin() {
		return overlay{archive.UserOverlay, true}, nil
	}
	return overlay{archive.TrustedOverlay, false}, nil
}

// hasAdmin reports whether this process may set trusted.* attributes, which needs
// CAP_SYS_ADMIN on the host.
func hasAdmin() bool {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	return unix.Capget(&h, &d[0]) == nil && d[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

// mount mounts lowers, top first, with upper and work (both empty for a
// read-only mount) on target. A volatile mount never syncs its upper
// directory, which makes unmounting cheap.
func (o overlay) mount(lowers []string, upper, work, target string) error {
	if upper == "" && len(lowers) == 1 {
		return bindReadOnly(lowers[0], target)
	}
	err := o.mountNew(lowers, upper, work, target)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) {
		// Before Linux 6.8 there is no lowerdir+, before 5.2 no fsopen, and a filter may refuse it.
		err = o.mountOld(lowers, upper, work, target)
	}
	if err != nil {
		return fmt.Errorf("mount overlay of %d layers on %s: %w", len(lowers), target, err)
	}
	return nil
}

// readOnly are the attributes of a mount that is only read, and whose programs nobody
// runs.
const readOnly = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV

// bindForSteps mounts a directory of the store for a step: set-user-ID programs work
// there as they will in the image.
func bindForSteps(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s to %s: %w", from, to, err)
	}
	attr := unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_NOSUID}
	err := unix.MountSetattr(unix.AT_FDCWD, to, 0, &attr)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) { // before Linux 5.12, or a filter refuses it
		err = unix.Mount("", to, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_NODEV, "")
	}
	// EPERM: the host's mount is nosuid, which no step of this store can change.
	if err != nil && !errors.Is(err, unix.EPERM) {
		return errors.Join(fmt.Errorf("permit set-user-ID programs in %s: %w", to, err), detach(to))
	}
	return nil
}

func bindReadOnly(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s to %s: %w", from, to, err)
	}
	attr := unix.MountAttr{Attr_set: readOnly}
	err := unix.MountSetattr(unix.AT_FDCWD, to, 0, &attr)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // before Linux 5.12, or a filter refuses it
		err = unix.Mount("", to, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "")
	}
	if err != nil {
		return errors.Join(fmt.Errorf("make %s read-only: %w", to, err), detach(to))
	}
	return nil
}

// option is a mount option; flags have no value.
type option struct{ key, value string }

func (o overlay) options(upper, work string) []option {
	// With redirect_dir=nofollow, a rename of a lower directory fails with EXDEV, and tools
	// copy instead: a tar layer cannot express a redirect.
	opts := []option{{"redirect_dir", "nofollow"}, {"index", "off"}, {"metacopy", "off"}}
	if o.user {
		opts = []option{{"userxattr", ""}, {"index", "off"}}
	}
	if upper != "" {
		opts = append(opts, option{"upperdir", upper}, option{"workdir", work}, option{"volatile", ""})
	}
	return opts
}

func (o overlay) mountNew(lowers []string, upper, work, target string) error {
	fd, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, l := range lowers {
		if err := unix.FsconfigSetString(fd, "lowerdir+", l); err != nil {
			return err
		}
	}
	for _, opt := range o.options(upper, work) {
		if opt.value == "" {
			err = unix.FsconfigSetFlag(fd, opt.key)
		} else {
			err = unix.FsconfigSetString(fd, opt.key, opt.value)
		}
		if err != nil {
			return fmt.Errorf("option %s: %w", opt.key, err)
		}
	}
	if err := unix.FsconfigCreate(fd); err != nil {
		return err
	}
	attr := 0
	if upper == "" {
		attr = readOnly
	}
	m, err := unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, attr)
	if err != nil {
		return err
	}
	defer unix.Close(m)
	return unix.MoveMount(m, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// mountOld names directories by descriptor, since all options together must fit into one
// page.
func (o overlay) mountOld(lowers []string, upper, work, target string) error {
	var names []string
	for _, l := range lowers {
		f, err := os.OpenFile(l, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		names = append(names, "/proc/self/fd/"+strconv.Itoa(int(f.Fd())))
	}
	data := "lowerdir=" + strings.Join(names, ":")
	for _, opt := range o.options(upper, work) {
		data += "," + opt.key
		if opt.value != "" {
			data += "=" + strings.NewReplacer(`\`, `\\`, ",", `\,`, ":", `\:`).Replace(opt.value)
		}
	}
	flags := uintptr(0)
	if upper == "" {
		flags = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV
	}
	if len(data) >= os.Getpagesize() {
		return fmt.Errorf("%d layers are more than this kernel can mount at once: %w", len(lowers), unix.E2BIG)
	}
	return unix.Mount("overlay", target, "overlay", flags, data)
}

// detach unmounts target, even if it is in use.
func detach(target string) error {
	if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount %s: %w", target, err)
	}
	return nil
}

// UnmountBelow detaches all mounts below a directory.
func UnmountBelow(dir string) error {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	defer f.Close()
	var points []string
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		if f := strings.Fields(sc.Text()); len(f) > 4 && strings.HasPrefix(f[4], dir+"/") {
			points = append(points, f[4])
		}
	}
	for _, p := range slices.Backward(points) {
		if err := detach(p); err != nil && !errors.Is(err, unix.EINVAL) {
			return err
		}
	}
	return sc.Err()
}

// inUserNamespace reports whether ids differ from those of the host.
func inUserNamespace() (bool, error) {
	b, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false, fmt.Errorf("read id mapping: %w", err)
	}
	f := strings.Fields(string(b))
	return !slices.Equal(f, []string{"0", "0", "4294967295"}), nil
}
