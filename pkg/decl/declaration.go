// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"time"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/disk/uuid"
)

// Declaration is the merged content of one or more declaration files. It is
// plain data: nothing in it has been looked up on the host.
type Declaration struct {
	Files     []string    // as named by the caller, in reading order
	Remotes   []Remote    // by name; a later file replaces an earlier one
	Base      *BaseLayer  // the last one read wins
	Layers    []GitLayer  // in declared order
	LocalConf []LocalConf // every fragment, in reading order
	// BBLayers are the directories of bblayers.conf, relative to the base layer's;
	// nil means that they follow from Base and Layers. The last one read wins.
	BBLayers     *BBLayers
	BBLayersConf []LocalConf // every fragment, in reading order
	Stages       []*Stage    // in declared order; ids are unique
	Disks        []*Disk     // in declared order; ids are unique
	Artifacts    []Artifact  // in reading order; a later one of the same stage and path replaces an earlier one
	Feeds        []Feed      // likewise
}

// Places has the places of the values of an element's attributes, by "ATTRIBUTE",
// and of each word in a value, by "ATTRIBUTE WORD".
type Places map[string]finding.Span

// At is the place of an attribute's value, or of the element if it has no such
// attribute.
func (p Places) At(attr string, element finding.Span) finding.Span {
	if at, ok := p[attr]; ok {
		return at
	}
	return element
}

// Remote is a URL prefix that git layers refer to by its name.
type Remote struct {
	Name, BaseURL string
	Span          finding.Span
}

// BaseLayer is the git tree that all others are checked out into.
type BaseLayer struct {
	Remote, Revision, Repo string
	Span                   finding.Span
}

// GitLayer is a git tree that is checked out below the base layer.
type GitLayer struct {
	Name, Remote, Revision, Repo string
	Subdirs                      []string
	Span                         finding.Span
}

// BBLayers is an explicit list of layer directories.
type BBLayers struct {
	Paths []string // relative to the base layer's directory, in order
	Span  finding.Span
}

// LocalConf is a verbatim fragment for bitbake's local.conf or bblayers.conf.
type LocalConf struct {
	Text string
	Span finding.Span
}

// Stage is one build stage: what it is based on, and its actions.
type Stage struct {
	ID           string
	Dirs         []string // directories of the declaring file; relative sources are looked up in them in order
	Prestage     string   // id of the parent stage; empty if the stage starts from FROM or Bootstrap
	Bootstrap    *Bootstrap
	Caches       []Cache
	Network      string   // of commands: auto, host or none; empty leaves the choice to the caller
	Actions      []Action // in document order; a FROM is the first
	Span         finding.Span
	PrestageSpan finding.Span
}

// Bootstrap makes a stage from Debian packages instead of an image.
type Bootstrap struct {
	Suite          string   // code name, such as bookworm
	Arch           string   // Debian architecture; empty means the host's
	Variant        string   // such as minbase, the default
	Components     []string // empty means main
	Packages       []string // installed beside the packages of the variant
	Keyring        string   // file, relative to the declaration; empty means the archive keyring of the host
	Mirror         string   // URL, may contain {snapshot}; empty means the host's mirror
	SecurityMirror string   // URL, or "none"
	Snapshot       string   // yyyymmddThhmmssZ; replaces {snapshot} in a mirror
	Span           finding.Span
	Places         Places
}

// At is the place of a word of an attribute; if that is not known, of the
// attribute's value; else of the element.
func (b *Bootstrap) At(attr, word string) finding.Span {
	return b.Places.At(attr+" "+word, b.Places.At(attr, b.Span))
}

// Cache is a directory that is kept between builds and never enters a layer.
type Cache struct {
	Path string // absolute path inside the stage
	ID   string // name under which stages share it; empty means the path
	// Shared says that several steps may use it at the same time.
	Shared bool
	Span   finding.Span
}

// Generalize removes from a disk what must not be the same on all machines that are
// made from it.
type Generalize struct {
	Except []string // what is kept: words of Generalized, and absolute patterns
	Span   finding.Span
}

// Disk is a disk image that is made from stages.
type Disk struct {
	ID         string
	Stage      string     // stage of the root file system; partitions may name another. LeafStage: the only leaf; empty: to be found
	Table      string     // gpt (default) or mbr
	Size       int64      // bytes; 0 means as large as the partitions
	Align      int64      // bytes, for partitions whose start is not given; 0 means 1 MiB
	GUID       *uuid.UUID // of a gpt disk; nil means derived
	Empty      bool       // the disk is blank: no table and no partitions
	BIOS       *BIOS
	Generalize *Generalize
	Deploy     *Deploy
	Partitions []*Partition
	Blobs      []Blob
	VM         *VM
	Expects    []Expect
	Span       finding.Span
	Places     Places
}

// Deploy says where bitbake has deployed the files that the disk takes by
// deploy:KIND.
type Deploy struct {
	Dir     string // has a directory for each machine, or is such a directory; empty means redomat's place
	Machine string // empty means the only one found, or that of local_conf
	Image   string // empty means the only one found, or the last target that is an image

	// These are what the declaration's local_conf and bitbake targets say, see
	// plan.PlaceDisk; a parser leaves them empty.
	LikelyMachine string
	LikelyImages  []string

	Span   finding.Span
	Places Places
}

// BIOS asks for GRUB's boot sector and core image.
type BIOS struct {
	Stage string // stage that has grub-mkimage and its modules
	Span  finding.Span
}

// Blob is raw data at a fixed offset of the disk.
type Blob struct {
	Stage, From string
	At          int64 // bytes
	Check       string
	Span        finding.Span
}

// Partition is one partition and, when FS is set, its file system.
type Partition struct {
	Name   string
	Type   string // name or GUID; empty follows from FS and Path
	FS     string // a name of package kind, or empty for none
	Label  string
	Start  int64 // bytes; 0 means the next aligned offset
	Size   bytesize.Partition
	Path   string       // directory of the stage whose contents the file system gets; or an archive, image or disk that contains it, or deploy:rootfs
	From   string       // without FS: path or glob of the file with the content, or deploy:KIND
	Of     string       // name of the partition that this hash tree verifies
	Stage  string       // overrides the disk's
	UUID   *uuid.UUID   // of the file system and the partition; nil means derived
	Serial *uuid.Serial // of FAT instead of a UUID; nil means derived

	Profile     string   // "compat" leaves out features that boot loaders of 2014 cannot read
	Compression string   // empty: the file system's default
	Attributes  []string // of a gpt table, see partitionAttributes
	Hybrid      bool     // also listed in the MBR of a gpt disk
	Active      bool
	Grow        bool

	Items  Items
	Span   finding.Span
	Places Places
}

// VM describes the virtual machine that an appliance format declares.
type VM struct {
	Name                     string // empty means the name of the product
	Product, Vendor, Version string
	ProductURL, VendorURL    string
	Cores                    int     // 0 means the format's default
	Memory                   int64   // bytes; 0 means the format's default
	NICs                     *int    // nil means the format's default
	Network                  string  // network that the NICs are connected to
	Controller               string  // controller of the disks: pvscsi, lsilogic, lsisas, ahci or nvme
	Hardware                 []int   // versions of virtual hardware, 13 for vmx-13
	Guest                    string  // VMware's name of the guest system
	Firmware                 string  // bios or efi
	DataDisks                []int64 // bytes of empty disks beside the system's
	CDROM                    *CDROM  // nil for no drive
	Profile                  string  // classic, or empty
	Manifest                 string  // sha256 (default) or sha1
	Annotation               string
	EULA                     string
	Span                     finding.Span
	Places                   Places
}

// CDROM is an ISO image in the drive of a virtual machine.
type CDROM struct {
	Stage, From string // path or glob of a file in the stage; empty: the disk's
	Span        finding.Span
}

// Expect is what a booted disk must print.
type Expect struct {
	Console string        // text, not a pattern, on the serial console
	Within  time.Duration // 0 means that the caller decides
	Span    finding.Span
}

// Artifact is a file of a stage that the build is made for.
type Artifact struct {
	Stage string // empty means the stage that is asked for
	Path  string // path or glob inside the stage
	Name  string // name of the result; ends with a slash for a directory; empty means the name in the stage
	Span  finding.Span
}

// Feed is a directory of packages in a stage.
type Feed struct {
	Stage string // empty means the stage that is asked for
	Path  string
	Span  finding.Span
}

// Stage returns the stage of an id, or nil.
func (d *Declaration) Stage(id string) *Stage {
	for _, s := range d.Stages {
		if s.ID == id {
			return s
		}
	}
	return nil
}

// Disk returns the disk of an id, or nil.
func (d *Declaration) Disk(id string) *Disk {
	for _, k := range d.Disks {
		if k.ID == id {
			return k
		}
	}
	return nil
}

// Leaves returns the stages that a disk with stage="leaf" may be made from: no
// stage is based on them or copies from them, and no disk takes boot code or files
// from them. The stage that a disk itself is made from counts as one that no disk
// takes from.
func (d *Declaration) Leaves() []*Stage {
	used := map[string]bool{}
	for _, k := range d.Disks {
		k.helpers(used)
	}
	for _, k := range d.Disks {
		delete(used, k.Stage)
	}
	for _, s := range d.Stages {
		used[s.Prestage] = true
		for _, a := range s.Actions {
			used[CopiesFrom(a)] = true
		}
	}
	var leaves []*Stage
	for _, s := range d.Stages {
		if !used[s.ID] {
			leaves = append(leaves, s)
		}
	}
	return leaves
}

// helpers adds the stages that the disk uses beside its own.
func (k *Disk) helpers(used map[string]bool) {
	if k.BIOS != nil {
		used[k.BIOS.Stage] = true
	}
	for _, b := range k.Blobs {
		used[b.Stage] = true
	}
	if k.VM != nil && k.VM.CDROM != nil {
		used[k.VM.CDROM.Stage] = true
	}
	for _, p := range k.Partitions {
		used[p.Stage] = true
		for _, it := range p.Items {
			for _, id := range ItemStages(it) {
				used[id] = true
			}
		}
	}
}
