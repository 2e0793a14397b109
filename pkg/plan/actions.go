// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// Action is what a step does: one of the types of this file, as a pointer.
type Action interface{ action() }

// Bootstrap makes a root file system of packages.
type Bootstrap struct {
	Wanted   debian.Bootstrap   `json:"wanted"`
	Packages *debian.Resolution `json:"packages"`
	Keyring  string             `json:"keyring_digest,omitempty"` // of the file that Wanted names, "" for none; it was read when the packages were resolved
}

// From starts with an image.
type From struct {
	Image  string `json:"image"`            // as the declaration means it
	Pinned string `json:"pinned,omitempty"` // the same by its digest
	Arch   string `json:"image_arch,omitempty"`
}

// Run runs a command.
type Run struct {
	Args []string `json:"args"`
}

// Copy adds files, of this machine or of another stage.
type Copy struct {
	Sources  []Source `json:"sources"`
	Stage    string   `json:"from_stage,omitempty"` // that the sources are in; "" for this machine
	Dest     string   `json:"destination"`
	Owner    string   `json:"owner,omitempty"`    // USER[:GROUP], "" for the superuser, or as in the stage
	Mode     string   `json:"mode,omitempty"`     // octal, "" as it is
	Optional bool     `json:"optional,omitempty"` // a source that does not exist is left out
}

// Source is a file or directory that is added.
type Source struct {
	Name   string `json:"name"`             // as declared
	Path   string `json:"path,omitempty"`   // on this machine; "" in a stage, or where it does not exist and need not
	Digest string `json:"digest,omitempty"` // of what is there, see files.Digest
}

// Env sets variables.
type Env struct {
	Variables []Variable `json:"variables"`
}

// Variable is a decl.EnvVar.
type Variable struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Expand bool   `json:"expand,omitempty"` // variables in Value are filled in
}

// Fill is the variable's value.
func (v Variable) Fill(lookup decl.Lookup) string { return decl.EnvVar(v).Fill(lookup) }

// Workdir sets the directory of what follows, and makes it.
type Workdir struct {
	Dir string `json:"directory"`
}

// User sets the user of what follows.
type User struct {
	Name string `json:"user"`
}

// Reposync checks out git trees.
type Reposync struct {
	Trees []GitTree    `json:"trees"`
	From  []git.Pinned `json:"from"` // where each of them is fetched from: an address may have a password
}

// BBLayers writes bitbake's bblayers.conf.
type BBLayers struct {
	Conf *Conf `json:"conf"`
}

// LocalConf writes bitbake's local.conf.
type LocalConf struct {
	Conf *Conf `json:"conf"`
}

// Bitbake runs bitbake.
type Bitbake struct {
	Conf    *Conf    `json:"conf"`
	Command string   `json:"command,omitempty"` // task, "" for the usual one
	Targets []string `json:"targets"`
	User    string   `json:"user,omitempty"` // "" is the stage's
}

func (*Bootstrap) action() {}
func (*From) action()      {}
func (*Run) action()       {}
func (*Copy) action()      {}
func (*Env) action()       {}
func (*Workdir) action()   {}
func (*User) action()      {}
func (*Reposync) action()  {}
func (*BBLayers) action()  {}
func (*LocalConf) action() {}
func (*Bitbake) action()   {}

// BootstrapKind is the Kind of the step that a bootstrap element stands for.
const BootstrapKind = "BOOTSTRAP"

// newAction is an empty action of a kind, nil if it is not known.
func newAction(kind string) Action {
	switch decl.ActionKind(kind) {
	case BootstrapKind:
		return &Bootstrap{}
	case decl.FromKind:
		return &From{}
	case decl.RunKind:
		return &Run{}
	case decl.AddKind, decl.CopyKind:
		return &Copy{}
	case decl.EnvKind:
		return &Env{}
	case decl.WorkdirKind:
		return &Workdir{}
	case decl.UserKind:
		return &User{}
	case decl.ReposyncKind:
		return &Reposync{}
	case decl.CreateBBLayersKind:
		return &BBLayers{}
	case decl.CreateLocalConfKind:
		return &LocalConf{}
	case decl.BitbakeKind:
		return &Bitbake{}
	}
	return nil
}
