# U-Boot: BOOT_ORDER and BOOT_A_LEFT, BOOT_B_LEFT in the partition "uboot-env" → kernel of the first slot that has a try left.
# The boot loader's own variables lie elsewhere; these are read and written by RAUC too (fw_env.config).
part start virtio 0 uboot-env env_at
setenv env_size 0x1000
setenv env_sectors 0x8
setenv env_ram ${ramdisk_addr_r}
virtio read ${env_ram} ${env_at} ${env_sectors}
if env import -c ${env_ram} ${env_size} BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT; then
  echo "nightjar: order ${BOOT_ORDER}, tries A ${BOOT_A_LEFT} B ${BOOT_B_LEFT}"
else
  echo "nightjar: no environment yet"
fi
test -n "${BOOT_ORDER}" || setenv BOOT_ORDER "A B"
test -n "${BOOT_A_LEFT}" || setenv BOOT_A_LEFT 2
test -n "${BOOT_B_LEFT}" || setenv BOOT_B_LEFT 2

setenv chosen
for slot in ${BOOT_ORDER}; do
  if test -z "${chosen}"; then
    if test "${slot}" = A && test ${BOOT_A_LEFT} -gt 0; then
      setexpr BOOT_A_LEFT ${BOOT_A_LEFT} - 1
      setenv chosen A
      setenv label rootfs-a
    fi
    if test "${slot}" = B && test ${BOOT_B_LEFT} -gt 0; then
      setexpr BOOT_B_LEFT ${BOOT_B_LEFT} - 1
      setenv chosen B
      setenv label rootfs-b
    fi
  fi
done
if test -z "${chosen}"; then
  # Nobody is left to say which slot is good: both get their tries again, or the board would be dead for good.
  echo "nightjar: no slot has a try left, all begin again"
  setenv BOOT_A_LEFT 2
  setenv BOOT_B_LEFT 2
fi
mw.b ${env_ram} 0 ${env_size}
env export -c -s ${env_size} ${env_ram} BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT
virtio write ${env_ram} ${env_at} ${env_sectors}
test -n "${chosen}" || reset

echo "nightjar: slot ${chosen}"
part number virtio 0 ${label} slot_number
# Landlock holds the eye in; the other security modules have no rules here, and systemd would load a program for one of them at each
# start. The kernel's ciphers were tested where it was built. Both are a sixth of a start. Nobody here asks for an audit's trail or for
# the time that programs wait.
setenv bootargs "root=PARTLABEL=${label} ro rauc.slot=${chosen} console=ttyAMA0 panic=5 loglevel=5 lsm=landlock,yama cryptomgr.notests audit=0 psi=0 ${nightjar_args}"
# One line in place of nested ifs: with those a slot that holds no file system was a syntax error for U-Boot's shell (2023.01),
# which stopped at its prompt for ever. Without them the board is reset, and the next start takes another try.
load virtio 0:${slot_number} ${kernel_addr_r} /boot/Image && load virtio 0:${slot_number} ${ramdisk_addr_r} /boot/initrd.img && booti ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${fdt_addr}
echo "nightjar: slot ${chosen} is not loaded"
reset
