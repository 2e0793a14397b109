# SPDX-License-Identifier: MPL-2.0
#
# What programs of Debian see of owners, ids, devices and attributes: the same for real
# root and for the root of a supervised step, in what they print and in what is left.
# Not here: find -type c, which believes the kind in the directory (that of a placeholder).
exec 2>&1
umask 022
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mkdir -p /srv/t; cd /srv/t; chmod 755 .
t() { echo "== $1"; shift; ( eval "$*" ); echo "rc $?"; }
adduser --system --group probe --quiet >/dev/null 2>&1 || useradd -r -U -m -s /bin/sh probe
P=$(id -u probe)
s() { stat -c '%n %F %a %u:%g %t,%T' "$@"; }
t chown 'touch a; chown 1000:1001 a; s a; chown :5 a; s a; chown 7 a; s a; chown 0:0 a; s a'
t chown-suid 'touch b; chmod 6755 b; chown 33:33 b; s b; chmod 6745 b; chown 34 b; s b; chmod 2644 b; chown 35 b; s b; chmod 4755 b; chown :9 b; s b'
t chown-caps 'cp /bin/true c; setcap cap_net_raw+ep c; getcap c; chown 33 c; getcap c; echo; setcap cap_chown,cap_setuid+eip c; getcap c; chown 0:0 c; getcap c'
t chown-dir 'mkdir d; chmod 6775 d; chown 33:33 d; s d; mkdir d/e; touch d/f; s d/e d/f'
t chown-link 'ln -s a l; chown -h 12:13 l; s l; chown 14 l; s a l; ln -s none dl; chown 3 dl; chown -h 3:4 dl; s dl'
t fifo 'mkfifo -m 620 p; chown 1:2 p; s p; mv p q; s q; ln q r; s r'
t mknod 'mknod -m 640 n c 5 1; s n; mknod m b 8 3; s m; chown 0:6 m; s m; chmod 600 m; s m; cp -a n n2; s n2; rm n m; mknod n c 1 3; s n; ls -l n | cut -c1-10; [ -c n ] && echo char; tar cf - n | tar tvf - | cut -c1-22; mknod n c 1 3'
t mknod-user "su -s /bin/sh probe -c 'cd /tmp; mknod x c 1 3; mkfifo pf; stat -c \"%a %U:%G\" pf'"
t modes 'touch e; chmod 4711 e; s e; chmod 1777 d; s d; chmod u-s e; s e'
t create-user "su -s /bin/sh probe -c 'cd /tmp; umask 027; mkdir u; touch u/f; ln -s f u/l; echo x > u/g; mkdir -m 1777 u/d; ln u/f u/h; stat -c \"%n %a %U:%G %h\" u u/*'"
t chmod-user "chmod 755 e; chown root:root e; su -s /bin/sh probe -c 'chmod 600 /srv/t/e; chown probe /srv/t/e; chgrp probe /srv/t/e; cd /tmp; chmod 2755 u/f; chgrp root u/f; chown root u/f; chown probe u/f; stat -c \"%a %u\" u/f | cut -c1-3'"
t setgid-dir 'mkdir g; chown 0:8 g; chmod 2775 g; touch g/f; mkdir g/d; ln -s x g/l; mkfifo g/p; s g/f g/d g/l g/p; usermod -a -G 8 probe; su -s /bin/sh probe -c "cd /srv/t/g; touch u; mkdir v; perl -e \"open F, q(>), q(w)\"; stat -c \"%a %g\" u v w"'
t groups "su -s /bin/sh probe -c 'id -G | tr \" \" \"\n\" | wc -l; cd /tmp; touch gg; chgrp 8 gg; stat -c %g gg; chgrp 9 gg'"
t setpriv 'setpriv --reuid 33 --regid 34 --groups 5,6 id; setpriv --reuid 33 --clear-groups --regid 33 sh -c "id; touch /tmp/sp; stat -c %u:%g /tmp/sp"; setpriv --ruid 33 --init-groups --regid 33 id'
t setpriv-caps 'setpriv --reuid 33 --clear-groups setpriv --dump | grep -iE "^(uid|euid|gid|egid|Supp)"; setpriv --reuid 33 --clear-groups setpriv --reuid 0 true'
t runuser 'runuser -u www-data -- id; runuser -u nobody -- sh -c "id; chown 1 /srv/t/e"'
t sudo 'echo "probe ALL=(ALL) NOPASSWD: ALL" > /etc/sudoers.d/p; sudo -u www-data id; su -s /bin/sh probe -c "sudo -n id; sudo -n -u nobody id; sudo -n sh -c \"touch /srv/t/sd; chown 77 /srv/t/sd\""; s sd'
t su-user "su -s /bin/sh probe -c 'su -s /bin/sh -c id root </dev/null'"
t setuid-exec 'cp /usr/bin/perl sp; chown root:root sp; chmod 4755 sp; su -s /bin/sh probe -c "/srv/t/sp -e \"print qq(\\$< \\$>\\n)\" | sed s/^$P/P/"; chown 33:44 sp; chmod 6755 sp; su -s /bin/sh probe -c "/srv/t/sp -U -e \"print qq(\\$> ), (split / /,\\$))[0], qq(\\n)\""; /srv/t/sp -e "print qq(\$< \$>\n)"; setpriv --no-new-privs su -s /bin/sh probe -c "/srv/t/sp -e \"print qq(\\$>\\n)\"" | sed s/^$P/P/'
t setuid-script 'printf "#!/bin/sh\nid -u\n" > ss; chown 33 ss; chmod 4755 ss; ./ss; su -s /bin/sh probe -c ./ss | sed s/^$P/P/'
t perl-ids 'perl -e '"'"'$>=33; print "$< $>\n"; $>=0; print "$< $>\n"; $)="5 6 7"; print "$)\n"; $(=5; $<=33; print "$< $>\n"; $>=33; $<=33; print "$< $>\n"; $>=0; print "$> $!\n"; $<=0; print "$<\n"; $)="0 0"; print "$)\n"'"'"
t perl-raw 'perl -e '"'"'sub c {my $n=shift; my $r=syscall($n,@_); print "$n $r ", ($r<0?int($!):0), "\n"} c(117,-1,33,-1); c(107); c(102); c(117,0,0,0); c(114,5,6); c(108); c(104); c(119,7,8,9); c(106,10); c(123,-1); c(122,44); c(122,-1); c(105,33); c(105,0); c(113,-1,0); c(117,33,34,33); c(122,0); c(116,0,0); c(115,0,0)'"'"
t keepcaps 'perl -e '"'"'print syscall(157,8,1,0,0,0)," "; print syscall(157,7,0,0,0,0)," "; syscall(117,33,33,33); print syscall(157,7,0,0,0,0)," ", syscall(119,5,5,5),"\n"'"'"
t rlimit 'perl -e '"'"'my $b="\0"x16; print syscall(97,15,$b)," ", unpack("H*",$b),"\n"; $b=pack("QQ",5,5); '"'"'; ulimit -a | tail -1'
t chroot 'mkdir -p cr; cp /bin/busybox cr/; ln -s /x cr/abs; mkdir cr/x; chroot cr /busybox chown 33:44 /x; chroot cr /busybox chown 9 /abs/../x; chroot cr /busybox sh -c "cd x; busybox mkdir y; busybox chown 5:6 y ../abs; /busybox stat -c \"%u %g\" y /x/y /abs ../x; /busybox su 2>&1 | head -1; /busybox touch /abs/z; /busybox chown 3 z"; s cr/x cr/x/y cr/x/z'
t chroot-user "su -s /bin/sh probe -c 'chroot / true'"
t chroot-userspec 'chroot --userspec=33:44 --groups=5,6 / id; chroot --userspec=33:44 cr /busybox id; chroot --userspec=33:44 cr /busybox touch /x/nope; chmod 777 cr/x; chroot --userspec=33:44 cr /busybox touch /x/yes; s cr/x/yes'
t acl 'touch ac; setfacl -m u:33:rw,g:44:r,m::rx ac; getfacl -n ac; s ac; chmod 640 ac; getfacl -n ac; setfacl -x u:33 ac; getfacl -n ac; setfacl -b ac; getfacl -n ac; s ac'
t acl-default 'mkdir ad; setfacl -d -m u:33:rwx,g:44:rx ad; setfacl -m u:5:x ad; getfacl -n ad; touch ad/f; mkdir ad/d; getfacl -n ad/f ad/d; mkdir ad/d/e; touch ad/d/e/f; getfacl -n ad/d/e/f; chown 44:55 ad; su -s /bin/sh probe -c "mkdir /tmp/ud; setfacl -d -m u:7:rwx /tmp/ud; touch /tmp/ud/f; getfacl -n /tmp/ud/f | sed s/$P/P/g"; cp -a ad ad2; getfacl -n -R ad2'
t acl-user "su -s /bin/sh probe -c 'setfacl -m u:33:rw /srv/t/ac; touch /tmp/acu; setfacl -m u:33:rw /tmp/acu; getfacl -n /tmp/acu | grep user:33'"
t xattr 'touch x; setfattr -n user.a -v 1 x; setfattr -n user.b -v 2 x; chown 33 x; getfattr -d -m - x; setfattr -x user.a x; getfattr -d -m - x; getfattr -n user.containers.override_stat x; setfattr -n trusted.x -v 1 x; setfattr -n security.foo -v 1 x; getfattr -d -m - x'
t caps 'cp /bin/true cc; setcap cap_net_bind_service=+ep cc; getcap cc; getfattr -d -m - -e hex cc; setcap -r cc; getcap cc; su -s /bin/sh probe -c "cp /bin/true /tmp/cc; setcap cap_net_raw+ep /tmp/cc"'
t capsh 'setpriv --bounding-set -chown sh -c "chown 5 x"; setpriv --bounding-set -mknod sh -c "mknod zz c 1 3"; setpriv --bounding-set -setuid setpriv --reuid 33 --clear-groups true'
t fd 'exec 7<x; chown 55:56 /proc/self/fd/7 ; s x; chown 57 /dev/fd/7; s x; stat -L -c %u /proc/self/fd/7 /dev/fd/7; perl -e '"'"'open F,"<","x"; chown 60,61,*F; my @s=stat F; print "$s[4] $s[5]\n"; chown 62,63,"/proc/thread-self/fd/".fileno(F); @s=stat "x"; print "$s[4]\n"; chown 64,63,"/proc/$$/fd/".fileno(F); @s=stat "x"; print "$s[4]\n"; chdir "/srv"; chown 65,66,"/proc/self/cwd/t/x"; @s=stat "t/x"; print "$s[4]\n"'"'"
t unlinked 'perl -e '"'"'open F,">","gone"; chown 5,6,"gone"; unlink "gone"; chown 7,8,*F; my @s=stat F; print "@s[2,4,5]\n"'"'"
t newcalls 'perl -e '"'"'sub c {my $n=shift; my $r=syscall($n,@_); print "$n $r ", ($r<0?int($!):0), "\n"} my $f="x"; c(452,-100,$f,0640,0); my @s=stat "x"; printf "%o\n",$s[2]; c(452,-100,$f,0600,0x100);my $v="q"; my $a=pack("QLL",unpack("Q",pack("p",$v)),1,0); my $n="user.z"; c(463,-100,$f,0,$n,$a,16); my $b="\0"x10; $a=pack("QLL",unpack("Q",pack("p",$b)),10,0); c(464,-100,$f,0,$n,$a,16); print unpack("H*",$b),"\n"; c(466,-100,$f,0,$n); c(466,-100,$f,0,$n)'"'"
t socket 'perl -MSocket -e '"'"'socket(S,PF_UNIX,SOCK_STREAM,0); bind(S,sockaddr_un("/tmp/so")) or print "$!\n"; print unpack_sockaddr_un(getsockname(S)),"\n"; chown 5,6,"/tmp/so"; my @s=stat "/tmp/so"; printf "%o %d %d\n",@s[2,4,5]; $)="44 44"; $>=33; socket(T,PF_UNIX,SOCK_STREAM,0); chdir "/tmp"; bind(T,sockaddr_un("so2")) or print "$!\n"; print unpack_sockaddr_un(getsockname(T)),"\n"; @s=stat "so2"; printf "%o %d %d\n",@s[2,4,5]; bind(T,sockaddr_un("so2")) or print "$!\n"; socket(U,PF_UNIX,SOCK_STREAM,0); bind(U,sockaddr_un("so")) or print "$!\n"; listen(T,1); socket(V,PF_UNIX,SOCK_STREAM,0); connect(V,sockaddr_un("so2")) and print "connected\n"'"'"
t tmpfile 'su -s /bin/sh probe -c "perl -MFcntl -e '"'"'sysopen(F,q(/tmp),O_RDWR|020200000,0640) or die qq(\$!); my @s=stat F; print \$s[4]==\$< ? qq(mine\n) : qq(@s\n); syscall(265,-100,my \$a=q(/proc/self/fd/).fileno(F),-100,my \$b=q(/tmp/named),0x400); @s=stat q(/tmp/named); print \$s[4]==\$< ? qq(mine\n):qq(@s\n)'"'"'"'
t open-modes 'su -s /bin/sh probe -c "cd /tmp; perl -MFcntl -e '"'"'sysopen(F,q(om),O_RDWR|O_CREAT|O_EXCL,0400) or print qq(\$!\n); syswrite F,q(abc); sysseek F,0,0; sysread F,my \$x,9; print qq(\$x\n); sysopen(G,q(om),O_RDONLY|O_CREAT|O_EXCL,0400) or print qq(\$!\n); sysopen(H,q(nd/om),O_WRONLY|O_CREAT,0600) or print qq(\$!\n); symlink q(tgt),q(sl); sysopen(I,q(sl),O_WRONLY|O_CREAT|O_NOFOLLOW,0600) or print qq(\$!\n); sysopen(I,q(sl),O_WRONLY|O_CREAT|O_APPEND,0600) or print qq(\$!\n); my @s=stat q(tgt); print \$s[4]==\$< ? qq(mine\n):qq(@s\n); mkdir q(sl) or print qq(\$!\n); mkdir q(.) or print qq(\$!\n); mkdir q(md/) or print qq(\$!\n); symlink q(a),q(om) or print qq(\$!\n)'"'"'"'
t tar 'mkdir ta; touch ta/1; chown 123:456 ta/1; ln -s y ta/l; chown -h 5:6 ta/l; mknod ta/n c 9 9; mkfifo ta/p; chown 7 ta/p; setcap cap_chown+ep ta/1; tar --numeric-owner --xattrs --xattrs-include="*" -C ta -cf ta.tar .; mkdir tb; tar --numeric-owner --xattrs --xattrs-include="*" -C tb -xpf ta.tar; s tb/*; getcap tb/1; tar --numeric-owner -tvf ta.tar | sort | cut -c1-25; rm ta.tar'
t cp-mv 'cp -a ta tc; s tc/*; mv tc/l tc/ll; mv tc/1 /tmp/moved; s /tmp/moved tc/ll; install -o 33 -g 44 -m 4750 /bin/true in; s in; rm -rf tc'
t dpkg-statoverride 'dpkg-statoverride --update --add www-data crontab 2755 /usr/bin/expiry; s /usr/bin/expiry'
t passwd 'useradd -m newbie; s /home/newbie /home/newbie/.bashrc | sed "s/ [0-9]*:[0-9]* / /"; echo newbie:abc | chpasswd -c SHA256; stat -c "%a %U:%G" /etc/shadow; chfn -f x newbie; chage -l newbie | head -1 | cut -c1-20'
t listing 'ls -ln | tr -s " " | cut -d" " -f1,3,4,9 | sort'
rm -f /tmp/so /tmp/so2
