// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/xdg"
)

// PodmanDriver is the storage driver that podman uses here: the configured one, or else
// the one that it has chosen. It is "" if none is configured and podman has not been used
// yet.
func (p Paths) PodmanDriver() string {
	if p.Driver != "" {
		return p.Driver
	}
	if _, err := os.Stat(filepath.Join(p.GraphRoot, "libpod")); err != nil { // podman's own records
		return ""
	}
	if _, err := os.Stat(filepath.Join(p.GraphRoot, "vfs-images")); err == nil {
		return "vfs"
	}
	return "overlay"
}

// PodmanPaths returns the directories that podman uses for the account uid, with the
// environment env: from the user's storage.conf(5), then the system's, then the defaults
// below XDG_DATA_HOME and XDG_RUNTIME_DIR.
func PodmanPaths(env func(string) string, uid int) (Paths, error) {
	p, err := defaultPaths(env, uid)
	if err != nil {
		return Paths{}, err
	}
	files := []string{"/usr/share/containers/storage.conf", "/etc/containers/storage.conf"}
	user := ""
	if f := env("CONTAINERS_STORAGE_CONF"); f != "" {
		files, user = []string{f}, f
	} else if uid != 0 {
		user = filepath.Join(xdg.ConfigHome(env), "containers", "storage.conf")
		files = append(files, user)
	}
	for _, f := range files {
		if err := p.read(f, env, uid, uid == 0 || f == user); err != nil {
			return Paths{}, err
		}
	}
	return p, nil
}

// ErrNoHome says that the place of the account's store is not known.
var ErrNoHome = errors.New("find the image store: neither HOME nor XDG_DATA_HOME is set")

func defaultPaths(env func(string) string, uid int) (Paths, error) {
	if uid == 0 {
		return Paths{GraphRoot: "/var/lib/containers/storage", RunRoot: "/run/containers/storage"}, nil
	}
	data := env("XDG_DATA_HOME")
	if data == "" {
		if env("HOME") == "" {
			return Paths{}, ErrNoHome
		}
		data = filepath.Join(env("HOME"), ".local", "share")
	}
	run := xdg.RuntimeDir(env)
	if run == "" {
		run = "/run/user/" + strconv.Itoa(uid)
		if _, err := os.Stat(run); err != nil {
			run = filepath.Join(os.TempDir(), "podman-run-"+strconv.Itoa(uid))
			var st unix.Stat_t // anybody can make a directory of that name
			if unix.Lstat(run, &st) != nil || st.Mode != unix.S_IFDIR|0o700 || int(st.Uid) != os.Geteuid() {
				run = filepath.Join(data, "carosbuild", "run")
			}
		}
	}
	return Paths{GraphRoot: filepath.Join(data, "containers", "storage"), RunRoot: filepath.Join(run, "containers")}, nil
}

// read reads the directories from a storage.conf. For an ordinary user, only
// rootless_storage_path of the system's files counts.
func (p *Paths) read(file string, env func(string) string, uid int, own bool) error {
	var conf struct {
		Storage struct {
			Driver    string `toml:"driver"`
			GraphRoot string `toml:"graphroot"`
			RunRoot   string `toml:"runroot"`
			Rootless  string `toml:"rootless_storage_path"`
		} `toml:"storage"`
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, fs.ErrPermission) && uid != 0 { // HOME may be unusable
		return nil
	}
	if err != nil {
		return fmt.Errorf("read storage settings: %w", err)
	}
	if err := toml.Unmarshal(b, &conf); err != nil {
		return fmt.Errorf("read storage settings: %s: %w", file, err)
	}
	expand := func(s string) string {
		return filepath.Clean(os.Expand(strings.ReplaceAll(s, "$UID", strconv.Itoa(uid)), env))
	}
	if s := conf.Storage.Rootless; s != "" && uid != 0 {
		p.GraphRoot = expand(s)
	}
	if s := conf.Storage.Driver; s != "" {
		p.Driver = s
	}
	if s := conf.Storage.GraphRoot; s != "" && own {
		p.GraphRoot = expand(s)
	}
	if s := conf.Storage.RunRoot; s != "" && own {
		p.RunRoot = expand(s)
	}
	return nil
}
