// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wic is a disk of a system with a boot partition, as wic makes one.
func wic(t *testing.T, root heldRoot) string {
	t.Helper()
	img, err := composed(t, `<disk id="w" table="gpt">
		<partition name="boot" fs="fat32" size="64M"><file to="/config.txt">boot</file></partition>
		<partition name="platform" fs="ext4" size="fit" label="ROOT" path="/"/>
	</disk>`, map[string]RootFS{"s": root})
	if err != nil {
		t.Fatal(err)
	}
	m := img.Layout.Image
	b, err := io.ReadAll(io.NewSectionReader(m, 0, m.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestPathInDisk takes partitions from a disk that is a file in a stage.
func TestPathInDisk(t *testing.T) {
	inner := files(t, map[string]string{
		"etc/os-release": "ID=inner\n", "etc/hostname": "inner\n", "etc/machine-id": "0123456789abcdef0123456789abcdef\n", "srv/www/index.html": "hello", "usr/x": "",
	})
	stage := files(t, map[string]string{"deploy/core.wic": wic(t, inner), "deploy/a:b/c:d": "in a name with colons", "etc/hostname": "stage\n", "usr/x": ""})
	for _, tt := range []struct {
		path string
		want map[string]string
	}{
		{"/deploy/*.wic", map[string]string{"etc/os-release": "ID=inner\n", "etc/hostname": "inner\n", "etc/machine-id": "", "srv/www/index.html": "hello", "usr/x": ""}},
		{"/deploy/core.wic:boot", map[string]string{"config.txt": "boot"}},
		{"/deploy/core.wic:1:/", map[string]string{"config.txt": "boot"}},
		{"/deploy/core.w*:2:/srv/www", map[string]string{"index.html": "hello"}},
		{"/deploy/core.wic:ROOT:/srv", map[string]string{"www/index.html": "hello"}},
		{"/deploy/core.wic::/etc", map[string]string{"os-release": "ID=inner\n", "hostname": "inner\n", "machine-id": ""}},
		{"/deploy/a:b", map[string]string{"c:d": "in a name with colons"}},
	} {
		got, notes := diskOf(t, `<generalize/><partition fs="ext4" size="fit" path="`+tt.path+`"/>`, stage)
		if diff := cmp.Diff(got, tt.want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", tt.path, diff)
		}
		if len(notes) > 0 {
			t.Errorf("%s: %q", tt.path, notes)
		}
	}
	_, notes := diskOf(t, `<partition fs="ext4" size="fit" path="/deploy/core.wic"/>`, stage)
	if !slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "the machine's id") }) {
		t.Errorf("no word on the machine's id: %q", notes)
	}
}

// TestPathInDiskMistakes are findings that say what to write.
func TestPathInDiskMistakes(t *testing.T) {
	stage := files(t, map[string]string{
		"deploy/data.wic": wic(t, files(t, map[string]string{"data": "x"})), "deploy/1.tar": rootfs(t, false), "deploy/2.tar": rootfs(t, false), "deploy/text": "text",
	})
	for path, want := range map[string]string{
		"/deploy/data.wic":        `like the root of a system (/etc, and one of /etc/os-release, /usr/lib/os-release, /sbin/init, /usr/lib/systemd/systemd, /bin/sh); its partitions are 1 "boot" (fat32), 2 "platform" (ext4, label "ROOT"): write path="/deploy/data.wic:2", with the number, name or label of one of them`,
		"/deploy/data.wic:3":      `there is no partition 3; its partitions are 1 "boot"`,
		"/deploy/data.wic:2:/srv": "stage s: /deploy/data.wic:2:/srv: look up srv: file does not exist",
		"/deploy/*.tar:2":         "matches 2 files",
		"/deploy/1.tar:2":         "it is an archive, not a disk",
		"/deploy:2":               "/deploy is not a file",
		"/deploy/none.wic:2":      "/deploy/none.wic:2: file does not exist",
		"/deploy/text":            "stage s: /deploy/text: it is neither an archive",
	} {
		_, err := composed(t, `<disk id="d"><partition fs="ext4" size="fit" path="`+path+`"/></disk>`, map[string]RootFS{"s": stage})
		var text string
		if err != nil {
			text = err.Error()
		}
		if !strings.Contains(text, want) {
			t.Errorf("%s: got %s, want %s", path, text, want)
		}
	}
}
