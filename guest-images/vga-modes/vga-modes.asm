; guest: vga-modes
; format: boot-sector
; teaches: what a video mode is: the values of sixty registers and 256 colours, which INT 10h sets
; expect-status: 33
; expect-serial: mode 00: 43AF5E35 A5A5A58D\n
; expect-serial: mode 01: 43AF5E35 A5A5A58D\n
; expect-serial: mode 02: 37A95ED5 A5A5A58D\n
; expect-serial: mode 03: 37A95ED5 A5A5A58D\n
; expect-serial: mode 0D: 0CF3C219 9D26FF75\n
; expect-serial: mode 0E: 0127C2B9 9D26FF75\n
; expect-serial: mode 10: 01203314 A5A5A58D\n
; expect-serial: mode 11: 02F25B6E A5A5A58D\n
; expect-serial: mode 12: 007BD5EE A5A5A58D\n
; expect-serial: mode 13: 4516E899 E5A4F036\n
;
; Sets each mode that this machine's BIOS and those of others have in common, reads back every register of the VGA and the whole DAC, and
; prints checksums: registers, then colours. Two BIOSes agree in each mode, or a program finds another screen than it was written for.
; (IBM PS/2 hardware interface technical reference, "video subsystem": the registers. All of them can be read, unlike on the EGA.)

        bits 16
        org 0x7C00
%include "toyvmm.inc"

start:  xor ax, ax
        mov ds, ax
        mov ss, ax
        mov sp, 0x7C00
        cld
        call serial_init16
        mov bp, modes
.mode:  xor ah, ah
        mov al, [bp]
        int 0x10
        xor edx, edx
        mov ebx, edx                    ; EBX = the checksum

        mov dx, 0x3CC                   ; miscellaneous output
        call add_port
        mov dx, 0x3C4                   ; sequencer
        mov cl, 5
        call add_indexed
        mov dx, 0x3D4                   ; CRT controller
        mov cl, 25
        call add_indexed
        mov dx, 0x3CE                   ; graphics controller
        mov cl, 9
        call add_indexed
        mov cl, 0                       ; attribute controller: index and data share a port
.attribute:
        mov dx, 0x3DA
        in al, dx
        mov dx, 0x3C0
        mov al, cl
        out dx, al
        inc dx
        call add_port
        inc cl
        cmp cl, 21
        jb .attribute
        mov dx, 0x3DA
        in al, dx
        mov dx, 0x3C0
        mov al, 0x20
        out dx, al
        push ebx

        xor ebx, ebx
        mov dx, 0x3C7                   ; the DAC, from entry 0 on
        mov al, 0
        out dx, al
        mov dx, 0x3C9
        mov cx, 768
.colour:
        call add_port
        loop .colour

        mov si, text_mode
        call print16
        movzx edx, byte [bp]
        shl edx, 24
        mov cx, 2
        call print_hex16.next           ; two digits
        mov si, text_registers
        call print16
        pop edx
        call print_hex16
        mov si, text_colours
        mov edx, ebx
        call report16
        inc bp
        cmp byte [bp], 0xFF
        jne .mode

        call serial_drain16
        mov al, 16
        out DEBUG_EXIT, al
.hang:  hlt
        jmp .hang

; EBX = the checksum with CL registers behind index port DX.
add_indexed:
        mov ch, 0
.next:  mov al, ch
        out dx, al
        inc dx
        call add_port
        dec dx
        inc ch
        cmp ch, cl
        jb .next
        ret

; EBX = the checksum with the byte of port DX.
add_port:
        in al, dx
        movzx eax, al
        rol ebx, 1
        add ebx, eax
        ret

%include "console16.inc"
%include "sums16.inc"

modes:          db 0x00, 0x01, 0x02, 0x03, 0x0D, 0x0E, 0x10, 0x11, 0x12, 0x13, 0xFF
text_mode:      db "mode ", 0
text_registers: db ": ", 0
text_colours:   db " ", 0

        times 510 - ($ - $$) db 0
        dw 0xAA55
