; The ToyVmm BIOS: the smallest one that boots a disk the way a PC does.
;
; What a BIOS is. An x86 processor comes out of RESET in real mode at F000:FFF0, 16 bytes below the end of this ROM
; (SDM 3A 9.1.4), with nothing in RAM. The ROM must make a PC out of that: test and set up the chips (POST, "power-on self
; test"), fill the interrupt vector table at 0000:0000 with its services, keep their state in the BIOS data area (BDA) at
; 0040:0000, and load the first sector of a disk to 0000:7C00. From then on it is a library that guests call by INT n with
; a function number in AH.
;
; Read in this order:
;   bios.inc      constants, the frame of saved registers that each service works on
;   post.inc      from the reset vector to INT 19h
;   boot.inc      INT 18h, 19h: the boot sector
;   video.inc     INT 10h: the text screen;  videomode.inc: modes, cursor shape, adapter
;   videocolour.inc  palette and DAC;  videofont.inc: characters;  videopixel.inc: dots
;   disk.inc      INT 13h: sectors by cylinder/head/sector and by number
;   diskio.inc    the two ways to a sector: ToyVmm's BIOS disk ports, and an ATA disk
;   system.inc    INT 11h, 12h, 15h: equipment, memory map, A20, waits, moves above 1 MiB
;   keyboard.inc  IRQ 1 (INT 9);  keymap.inc: the US keyboard;  keys.inc: INT 16h
;   clock.inc     IRQ 0 (INT 8), IRQ 8 (INT 70h) and INT 1Ah
;   serial.inc    INT 14h, 17h
;
; Build:  nasm -f bin -o bios.bin bios.asm      (64 KiB, mapped at F0000h and at FFFF0000h)
; Try it elsewhere:  qemu-system-i386 -bios bios.bin -drive file=disk.img,format=raw
;
; Not here, and an error to the caller: CGA graphics modes and characters in graphics modes, formatting, printers, APM, PCI BIOS, PS/2 mouse.
; Register lists of the services: Ralf Brown's Interrupt List; IBM PS/2 and PC BIOS Interface Technical Reference.

        cpu     686
        bits    16
        org     0

%include "bios.inc"

%include "post.inc"
%include "boot.inc"
%include "video.inc"
%include "videomode.inc"
%include "videocolour.inc"
%include "videofont.inc"
%include "videopixel.inc"
%include "disk.inc"
%include "diskio.inc"
%include "system.inc"
%include "keyboard.inc"
%include "keymap.inc"
%include "keys.inc"
%include "clock.inc"
%include "serial.inc"

; ---- the last 16 bytes ----------------------------------------------------------------------------------------------

        times   0xFFF0 - ($ - $$) db 0

reset_vector:
        jmp     BIOS_SEG:post           ; the far jump also brings the CS base from FFFF0000h down to F0000h
        db      '01/01/26'              ; FFF5: the date of the ROM
        db      0                       ; FFFD
        db      0xFC                    ; FFFE: model byte, "AT"
        db      0                       ; FFFF
