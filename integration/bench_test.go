// SPDX-License-Identifier: MPL-2.0

//go:build bench

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// rounds is how often each command is measured, after one run that is not:
// CAROSBUILD_BENCH_ROUNDS, else 5.
func rounds() int {
	if n, err := strconv.Atoi(os.Getenv("CAROSBUILD_BENCH_ROUNDS")); err == nil && n > 0 {
		return n
	}
	return 5
}

// measured are the runs of one command.
type measured struct {
	name  string
	walls []time.Duration
	rss   int64 // bytes, the largest process of all runs
	size  int64 // bytes of what it wrote
}

func (m measured) median() time.Duration {
	s := slices.Sorted(slices.Values(m.walls))
	return s[len(s)/2]
}

// job is a command to be measured.
type job struct {
	name    string
	before  []string // not measured
	command []string
	output  string // its size is noted
}

// compare runs the jobs in turn, so that a machine that grows slower does so
// for all of them.
func compare(t *testing.T, w *world, jobs ...job) []measured {
	t.Helper()
	out := make([]measured, len(jobs))
	for i := range rounds() + 1 {
		for k, j := range jobs {
			if j.before != nil {
				w.ok(t, j.before[0], j.before[1:]...)
			}
			syscall.Sync()
			cmd := w.command(t.Context(), j.command[0], j.command[1:]...)
			start := time.Now()
			text, err := cmd.CombinedOutput()
			wall := time.Since(start)
			if err != nil {
				t.Fatalf("%s: %v\n%s", j.name, err, tailOf(string(text)))
			}
			m := &out[k]
			m.name = j.name
			if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
				m.rss = max(m.rss, usage.Maxrss*1024)
			}
			if i > 0 {
				m.walls = append(m.walls, wall)
			}
			if st, err := os.Stat(filepath.Join(w.work, j.output)); err == nil && j.output != "" {
				m.size = st.Size()
			}
		}
	}
	return out
}

// report prints the medians and the ratio of the second to the first.
func report(t *testing.T, title string, goal float64, ms []measured) {
	t.Helper()
	fmt.Printf("\n%s\n", title)
	for _, m := range ms {
		s := slices.Sorted(slices.Values(m.walls))
		fmt.Printf("  %-34s median %8.3f s  (%.3f to %.3f)", m.name, m.median().Seconds(), s[0].Seconds(), s[len(s)-1].Seconds())
		if m.rss > 0 {
			fmt.Printf("  peak memory %4d MB", m.rss>>20)
		}
		if m.size > 0 {
			fmt.Printf("  file %d bytes", m.size)
		}
		fmt.Println()
	}
	ratio := ms[1].median().Seconds() / ms[0].median().Seconds()
	fmt.Printf("  ratio %.2f, goal %.1f", ratio, goal)
	if ms[0].size > 0 && ms[1].size > 0 {
		fmt.Printf("; size %.3f of the other's", float64(ms[0].size)/float64(ms[1].size))
	}
	fmt.Println()
}

func TestBench(t *testing.T) {
	w := newWorld(t)
	fmt.Printf("%d CPUs, %s\n", runtime.NumCPU(), kernel())
	t.Run("disks", func(t *testing.T) { benchDisks(t, w) })
	t.Run("images", func(t *testing.T) { benchImages(t, w) })
	t.Run("files", func(t *testing.T) { benchFiles(t, w) })
	t.Run("steps", func(t *testing.T) { benchSteps(t, w) })
	t.Run("bootstrap", func(t *testing.T) { benchBootstrap(t, w) })
	t.Run("redo", func(t *testing.T) { benchRedo(t, w) })
	t.Run("serve", func(t *testing.T) { benchServe(t, w) })
}

func kernel() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown kernel"
	}
	return "Linux " + strings.TrimSpace(string(b))
}

// benchStage builds bench:base, a root file system of some 900 MB, once.
func benchStage(t *testing.T, w *world) {
	w.file(t, "disk.xml", `<redo><buildstage id="base"><bootstrap suite="bookworm" packages="linux-image-amd64 podman openvswitch-switch python3 git"/>
		<action>RUN rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin</action></buildstage>
		<disk id="d" stage="base" table="gpt" size="4G"><partition name="root" fs="ext4" label="ROOT" size="rest" path="/"/></disk></redo>`)
	w.build(t, "disk.xml", "-B", "bench")
}

// benchDisks compares disks of the shipped target's root file system with
// mke2fs and qemu-img on the same files, seen through podman's mount of the
// same stage.
func benchDisks(t *testing.T, w *world) {
	benchStage(t, w)
	mounted := `d=$(podman image mount localhost/carosbuild/bench:base) && `
	inside := func(script string) []string {
		if os.Getuid() == 0 {
			return []string{"sh", "-c", mounted + script}
		}
		return []string{"podman", "unshare", "sh", "-c", mounted + script}
	}
	if os.Getuid() == 0 { // otherwise the mount ends with podman's namespace
		t.Cleanup(func() { w.ok(t, "sh", "-c", "podman image unmount --all --force && umount "+w.graph+"/overlay") })
	}
	du := inside("du -sb --apparent-size $d | cut -f1")
	fmt.Printf("root file system: %s bytes\n", strings.TrimSpace(w.ok(t, du[0], du[1:]...).stdout))
	mke2fs := "rm -f ref.raw; truncate -s 4G ref.raw && mke2fs -q -t ext4 -L ROOT -d $d ref.raw"
	self := program(t)
	stream := compare(t, w,
		job{name: "carosbuild, streamOptimized", command: []string{self, "--progress=quiet", "disk.xml", "--out", "d.vmdk"}, output: "d.vmdk"},
		job{name: "mke2fs -d, qemu-img convert -m 2 -W", command: inside(mke2fs + " && qemu-img convert -m 2 -W -f raw -O vmdk -o subformat=streamOptimized ref.raw ref.vmdk"), output: "ref.vmdk"})
	report(t, "(a) root file system to streamOptimized VMDK", 12, stream)
	report(t, "(b) root file system to raw image", 2, compare(t, w,
		job{name: "carosbuild, raw", command: []string{self, "--progress=quiet", "disk.xml", "--out", "d.raw"}},
		job{name: "mke2fs -d", command: inside(mke2fs)}))
	report(t, "(e) the same to an OVA", 12, compare(t, w,
		job{name: "carosbuild, OVA", command: []string{self, "--progress=quiet", "disk.xml", "--out", "d.ova"}, output: "d.ova"},
		job{
			name:    "mke2fs -d, qemu-img convert, sha256sum, tar",
			command: inside(mke2fs + " && qemu-img convert -m 2 -W -f raw -O vmdk -o subformat=streamOptimized ref.raw ref.vmdk && sha256sum ref.vmdk >ref.mf && tar cf ref.ova ref.mf ref.vmdk"), output: "ref.ova",
		}))
	report(t, "(f) the same to qcow2, compressed", 12, compare(t, w,
		job{name: "carosbuild, qcow2-compressed", command: []string{self, "--progress=quiet", "disk.xml", "--out", "d.qcow2", "--format", "qcow2-compressed"}, output: "d.qcow2"},
		job{name: "mke2fs -d, qemu-img convert -c -m 2 -W", command: inside(mke2fs + " && qemu-img convert -c -m 2 -W -f raw -O qcow2 ref.raw ref.qcow2"), output: "ref.qcow2"}))
}

// benchImages compares a disk straight from an OCI layout with unpacking it
// first.
func benchImages(t *testing.T, w *world) {
	tool(t, "umoci")
	tool(t, "genimage")
	tool(t, "skopeo")
	benchStage(t, w)
	self := program(t)
	const tag = "base"
	w.ok(t, self, "export", "bench:base", "--to", "oci:layout:"+tag)
	w.file(t, "only-disk.xml", `<disk id="d" table="gpt" size="4G"><partition name="root" fs="ext4" label="ROOT" size="rest" path="/"/></disk>`)
	w.file(t, "genimage.cfg", `image root.ext4 { ext4 { label = "ROOT" use-mke2fs = true } size = 4090M }
		image d.img { hdimage { partition-table-type = "gpt" } partition root { image = "root.ext4" partition-type-uuid = "0fc63daf-8483-4772-8e79-3d69d8477de4" } }`)
	root := []string{"unshare", "--map-auto", "--map-root-user", "sh", "-c"}
	if os.Getuid() == 0 {
		root = []string{"sh", "-c"}
	}
	// genimage copies its root directory first unless it is told where it may work.
	script := "umoci unpack --image layout:" + tag + " bundle && mkdir gtmp && " +
		"genimage --config genimage.cfg --rootpath bundle/rootfs --tmppath gtmp --outputpath out --inputpath . && " +
		"qemu-img convert -m 2 -W -f raw -O vmdk -o subformat=streamOptimized out/d.img ref.vmdk"
	inside := func(script string) []string { return append(slices.Clone(root), script) }
	disk := func(from string) []string {
		return []string{self, "--progress=quiet", "disk", from, "--declaration", "only-disk.xml", "--out", "o.vmdk"}
	}
	empty := []string{"rm", "-rf", filepath.Join(w.dir, "home/.cache/carosbuild/layers")}
	cold := job{name: "carosbuild disk oci:, empty cache", before: empty, command: disk("oci:layout:" + tag), output: "o.vmdk"}
	report(t, "(g) OCI layout to streamOptimized VMDK", 12, compare(t, w, cold,
		job{name: "umoci unpack, genimage, qemu-img convert", before: inside("rm -rf bundle gtmp out"), command: inside(script), output: "ref.vmdk"}))
	registry := startRegistry(t, w)
	w.ok(t, self, "push", "bench:base", registry+"/bench:base")
	cold.name = "carosbuild disk docker://, empty cache"
	cold.command = disk("docker://" + registry + "/bench:base")
	report(t, "(g) the same image from a registry on loopback", 12, compare(t, w, cold,
		job{name: "skopeo copy, and the same", before: inside("rm -rf bundle gtmp out layout"), command: inside("skopeo copy -q --src-tls-verify=false docker://" + registry + "/bench:base oci:layout:" + tag + " && " + script), output: "ref.vmdk"}))
	w.ok(t, root[0], append(root[1:], "rm -rf bundle gtmp out")...)
}

// benchFiles looks at many files and at large ones.
func benchFiles(t *testing.T, w *world) {
	self := program(t)
	disk := func(n int) string {
		return fmt.Sprintf(`<redo><buildstage id="base"><bootstrap suite="bookworm"/></buildstage>
			<buildstage id="s%d"><prestage>base</prestage><action>RUN for d in $(seq %d); do mkdir -p /n/$d; cd /n/$d; seq 1000 | split -l 1 -a 3 - f; done</action></buildstage>
			<disk id="d" stage="s%d" table="gpt" size="8G"><partition name="root" fs="ext4" size="rest" path="/"/></disk></redo>`, n, n/1000, n)
	}
	var jobs []job
	for _, n := range []int{100000, 1000000} {
		file := fmt.Sprintf("files%d.xml", n)
		w.file(t, file, disk(n))
		w.build(t, file, "-B", fmt.Sprintf("files%d", n))
		jobs = append(jobs, job{name: fmt.Sprintf("carosbuild, %d small files", n), command: []string{self, "--progress=quiet", file, "--out", "f.raw"}})
	}
	mounted := `d=$(podman image mount localhost/carosbuild/files100000:s100000) && rm -f ref.raw && truncate -s 8G ref.raw && mke2fs -q -t ext4 -d $d ref.raw`
	command := []string{"podman", "unshare", "sh", "-c", mounted}
	if os.Getuid() == 0 {
		command = []string{"sh", "-c", mounted}
		t.Cleanup(func() { w.ok(t, "sh", "-c", "podman image unmount --all --force && umount "+w.graph+"/overlay") })
	}
	many := compare(t, w, jobs[0], job{name: "mke2fs -d, 100000 small files", command: command}, jobs[1])
	report(t, "(h) 100,000 small files to a raw image", 2, many[:2])
	fmt.Printf("  %s: median %.3f s, %.2f times that of 100,000 (linear: less than 10); peak memory %d MB\n",
		many[2].name, many[2].median().Seconds(), many[2].median().Seconds()/many[0].median().Seconds(), many[2].rss>>20)

	w.file(t, "large.xml", `<redo><buildstage id="base"><bootstrap suite="bookworm"/></buildstage>
		<buildstage id="large"><prestage>base</prestage><action>RUN dd if=/dev/urandom of=/data bs=1M count=1024 status=none &amp;&amp; truncate -s 8G /sparse</action></buildstage>
		<disk id="d" stage="large" table="gpt" size="12G"><partition name="root" fs="ext4" size="rest" path="/"/></disk></redo>`)
	w.build(t, "large.xml", "--out", "l.raw")
	report(t, "(i) 1 GiB of data and a sparse file of 8 GiB to a raw image; the peer copies that image", 0.8, compare(t, w,
		job{name: "carosbuild, raw", command: []string{self, "--progress=quiet", "large.xml", "--out", "l.raw"}},
		job{name: "cp --sparse=always, sync", command: []string{"sh", "-c", "cp --sparse=always l.raw copy.raw && sync copy.raw && rm copy.raw"}}))
}

// benchSteps compares ten small steps, cold and done already.
func benchSteps(t *testing.T, w *world) {
	tool(t, "buildah")
	text, file := `<redo>`+base(t)+`<buildstage id="ten"><prestage>base</prestage>`, "FROM localhost/carosbuild/bench:base\n"
	for i := range 10 {
		text += fmt.Sprintf("<action>RUN echo %d > /file%d</action>", i, i)
		file += fmt.Sprintf("RUN echo %d > /file%d\n", i, i)
	}
	w.file(t, "ten.xml", text+"</buildstage></redo>")
	w.file(t, "Containerfile", file)
	w.build(t, "ten.xml", "-t", "base", "-B", "bench")
	buildah := []string{"buildah", "bud", "--layers", "--isolation", "chroot", "-q", "-t", "ten", "."}
	cold := compare(t, w,
		job{name: "carosbuild --no-cache", command: []string{program(t), "--progress=quiet", "--no-cache", "ten.xml"}},
		job{name: "buildah bud --layers --no-cache", command: slices.Insert(slices.Clone(buildah), 3, "--no-cache")})
	report(t, "(c) ten cold RUN steps", 4, cold)
	warm := compare(t, w,
		job{name: "carosbuild, nothing to do", command: []string{program(t), "--progress=quiet", "ten.xml"}},
		job{name: "buildah bud --layers, the same", command: buildah})
	report(t, "(c) nothing to do", 4, warm)
}

// benchBootstrap compares a minimal Debian with mmdebstrap, packages cached on
// both sides.
func benchBootstrap(t *testing.T, w *world) {
	tool(t, "mmdebstrap")
	w.file(t, "minbase.xml", `<redo><buildstage id="minbase"><bootstrap suite="bookworm"/></buildstage></redo>`)
	w.build(t, "minbase.xml")
	debs := filepath.Join(w.dir, "debs")
	for _, d := range []string{w.dir, w.work} { // its namespace has other ids
		if err := os.Chmod(d, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(w.work, "mm.d"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(w.work, "mm.d"), 0o777); err != nil {
		t.Fatal(err)
	}
	// The cache of mmdebstrap: copied in before its download, and out after it.
	script := `mkdir -p -m 777 ` + debs + ` && mmdebstrap -q --mode=unshare --variant=minbase --format=directory --skip=cleanup/apt ` +
		`--setup-hook='mkdir -p "$1/var/cache/apt/archives" && cp -t "$1/var/cache/apt/archives" ` + debs + `/*.deb 2>/dev/null || true' ` +
		`--customize-hook='cp -n "$1"/var/cache/apt/archives/*.deb ` + debs + `/ 2>/dev/null || true; rm -f "$1"/var/cache/apt/archives/*.deb' bookworm mm.d/mm`
	clean := []string{"unshare", "--map-auto", "--map-root-user", "rm", "-rf", filepath.Join(w.work, "mm.d/mm")}
	if os.Getuid() == 0 {
		clean, script = []string{"rm", "-rf", filepath.Join(w.work, "mm.d/mm")}, strings.Replace(script, "--mode=unshare", "--mode=root", 1)
	}
	report(t, "(d) Debian minbase", 1.5, compare(t, w,
		job{name: "carosbuild bootstrap", command: []string{program(t), "--progress=quiet", "--no-cache", "--update", "minbase.xml"}},
		job{name: "mmdebstrap", before: clean, command: []string{"sh", "-c", script}}))
	w.ok(t, clean[0], clean[1:]...)
}
