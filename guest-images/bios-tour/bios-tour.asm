; guest: bios-tour
; format: boot-sector
; teaches: the services a PC's BIOS gives to a boot loader: disk, memory map, screen, keyboard, time, A20
; expect-status: 0
; expect-serial: INT 13h: the second stage came from the disk: ok\n
; expect-serial: INT 13h: sector 0 is refused: ok\n
; expect-serial: INT 13h: the drive has a geometry: ok\n
; expect-serial: INT 13h: with more than one sector a track: ok\n
; expect-serial: INT 12h: more than 600 KiB of base memory: ok\n
; expect-serial: INT 15h AH=88h: more than 8 MiB above the first: ok\n
; expect-serial: INT 15h E820h: one usable range begins at 0: ok\n
; expect-serial: INT 15h E820h: more than 16 MiB are usable: ok\n
; expect-serial: INT 15h AX=2401h: A20 on: ok\n
; expect-serial: and it is: ok\n
; expect-serial: INT 10h: the cursor is where it was put: ok\n
; expect-serial: INT 10h: teletype writes to B800h: ok\n
; expect-serial: INT 10h: and moves the cursor: ok\n
; expect-serial: INT 16h: no key was pressed: ok\n
; expect-serial: INT 1Ah: time goes by: ok\n
;
; The boot sector holds one thing only: the loader of the rest. Everything after it is asked from the BIOS, and checked.
; Nothing machine-dependent is printed. (Interrupt numbers as in IBM's PC AT Technical Reference; E820 as in ACPI 6.5, 15.1.)

        bits 16
        org 0x7C00
%include "toyvmm.inc"

STAGE2_SECTORS  equ 4

start:  cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7C00
        sti
        cld
        mov [drive], dl                 ; the drive that we came from
        call serial_init16

        mov ax, 0x0200 | STAGE2_SECTORS ; INT 13h AH=02h: read AL sectors to ES:BX
        mov cx, 0x0002                  ; cylinder 0, sector 2 (the first is 1)
        mov dh, 0                       ; head 0
        mov dl, [drive]
        mov bx, stage2
        int 0x13
        jc .failed
        cmp word [stage2_magic], 0xCAFE
        jne .failed
        jmp stage2
.failed:
        mov si, text_disk
        jmp failed

; SI = what went wrong.
failed: call print16
        mov si, text_failed
        call print16
        call serial_drain16
        mov al, 1
        out DEBUG_EXIT, al
.hang:  hlt
        jmp .hang

%include "console16.inc"

drive:          db 0
text_disk:      db "INT 13h: read", 0
text_failed:    db ": FAILED", 10, 0

        times 510 - ($ - $$) db 0
        dw 0xAA55

; ================================================================================================================ stage 2
; STEP "what", condition: goes on when it holds, else leaves with status 3.
%macro STEP 2
        mov si, %%text
        j%+2 %%ok
        jmp failed
%%text: db %1, 0
%%ok:   call print16
        mov si, text_ok
        call print16
%endmacro

stage2: xor ax, ax
        STEP "INT 13h: the second stage came from the disk", z

        mov ax, 0x0201
        mov cx, 0x0000                  ; there is no sector 0
        mov dh, 0
        mov dl, [drive]
        mov bx, buffer
        int 0x13
        STEP "INT 13h: sector 0 is refused", c

        mov ah, 0x08                    ; geometry; ES:DI is changed for floppies
        mov dl, [drive]
        xor di, di
        int 0x13
        push word 0
        pop es
        STEP "INT 13h: the drive has a geometry", nc
        and cl, 0x3F
        cmp cl, 2
        STEP "INT 13h: with more than one sector a track", ae

        int 0x12                        ; AX = KiB of memory below the extended BIOS data area
        cmp ax, 600
        STEP "INT 12h: more than 600 KiB of base memory", a

        mov ah, 0x88                    ; AX = KiB above 1 MiB, at most 64 MiB of them
        int 0x15
        cmp ax, 8 * 1024
        STEP "INT 15h AH=88h: more than 8 MiB above the first", a

        ; INT 15h E820h: the memory map, entry by entry: base (8 bytes), length (8 bytes), type (4; 1 = usable).
        xor ebx, ebx
        mov dword [usable], 0
.entry: mov eax, 0xE820
        mov edx, 0x534D4150             ; "SMAP"
        mov ecx, 20
        mov di, buffer
        int 0x15
        jc .e820_end                    ; some BIOSes end the list by CF
        cmp eax, 0x534D4150
        jne .e820_failed
        cmp dword [buffer + 16], 1
        jne .not_usable
        cmp dword [buffer + 4], 0       ; below 4 GiB only
        jne .not_usable
        cmp dword [buffer], 0
        jne .not_first
        inc byte [seen_zero]
.not_first:
        mov eax, [buffer + 8]
        add [usable], eax
.not_usable:
        inc byte [entries]
        cmp byte [entries], 100
        ja .e820_failed
        test ebx, ebx                   ; EBX = 0: that was the last one
        jnz .entry
.e820_end:
        cmp byte [seen_zero], 1
        STEP "INT 15h E820h: one usable range begins at 0", e
        cmp dword [usable], 16 * 1024 * 1024
        STEP "INT 15h E820h: more than 16 MiB are usable", a
        jmp .a20
.e820_failed:
        mov si, text_e820
        jmp failed

.a20:   mov ax, 0x2401
        int 0x15
        STEP "INT 15h AX=2401h: A20 on", nc
        mov ax, 0xFFFF
        mov es, ax
        mov byte [0x0500], 0x55
        mov byte [es:0x0510], 0xAA
        cmp byte [0x0500], 0x55
        push word 0
        pop es
        STEP "and it is", e

        mov ah, 0x02                    ; set the cursor: page BH, row DH, column DL
        mov bh, 0
        mov dx, (5 << 8) | 10
        int 0x10
        mov ah, 0x03                    ; read it back
        mov bh, 0
        int 0x10
        cmp dx, (5 << 8) | 10
        STEP "INT 10h: the cursor is where it was put", e
        mov ax, 0x0E00 | 'X'            ; teletype
        mov bx, 0x0007
        int 0x10
        mov ax, 0xB800                  ; text memory: character and attribute, 80 columns
        mov es, ax
        cmp byte [es:(5 * 80 + 10) * 2], 'X'
        push word 0
        pop es
        STEP "INT 10h: teletype writes to B800h", e
        mov ah, 0x03
        mov bh, 0
        int 0x10
        cmp dx, (5 << 8) | 11
        STEP "INT 10h: and moves the cursor", e

        mov ah, 0x01                    ; ZF = 1: no key
        int 0x16
        STEP "INT 16h: no key was pressed", z

        mov ah, 0x00                    ; CX:DX = ticks since midnight, 18.2 a second
        int 0x1A
        mov bx, dx
.tick:  hlt                             ; IRQ 0 comes to the BIOS's INT 8, which counts
        mov ah, 0x00
        int 0x1A
        cmp dx, bx
        je .tick
        cmp dx, bx
        STEP "INT 1Ah: time goes by", ne

        call serial_drain16
        mov dx, POWER_OFF
        mov ax, POWER_OFF_VALUE
        out dx, ax
.hang:  cli
        hlt
        jmp .hang

text_ok:        db ": ok", 10, 0
text_e820:      db "INT 15h E820h", 0
        align 4
usable:         dd 0
entries:        db 0
seen_zero:      db 0

        times 512 + STAGE2_SECTORS * 512 - 2 - ($ - $$) db 0
stage2_magic:   dw 0xCAFE

buffer          equ 0x0600              ; one sector of scratch, below everything
