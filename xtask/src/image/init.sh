#!/bin/busybox sh
# First stage: loads what the root's disk needs, mounts the partition that root=PARTLABEL=… names, read-only, goes there.
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
while read -r module; do /bin/busybox insmod "/modules/$module"; done < /modules/order
label=
for word in $(/bin/busybox cat /proc/cmdline); do
  case $word in root=PARTLABEL=*) label=${word#root=PARTLABEL=} ;; esac
done
tries=100
device=
while [ -z "$device" ] && [ $tries -gt 0 ]; do
  for event in /sys/class/block/*/uevent; do
    /bin/busybox grep -qx "PARTNAME=$label" "$event" && device=/dev/$(/bin/busybox sed -n 's/^DEVNAME=//p' "$event")
  done
  tries=$((tries - 1))
  [ -n "$device" ] || /bin/busybox usleep 50000
done
if ! /bin/busybox mount -t ext4 -o ro "$device" /newroot; then
  echo "first stage: root \"$label\" ($device) can't be mounted; next try"
  /bin/busybox sleep 2
  /bin/busybox reboot -f
fi
/bin/busybox umount /proc /sys
/bin/busybox mount --move /dev /newroot/dev
exec /bin/busybox switch_root /newroot /sbin/init
