; guest: vga-planes
; format: boot-sector
; teaches: sixteen colours in four planes: what the VGA's graphics controller does between a store and the memory
; expect-status: 33
; expect-serial: set/reset, bit mask: CFFFFF8A\n
; expect-serial: write mode 2, XOR: 423434C7\n
; expect-serial: write mode 3, rotated: 51FFC0BB\n
; expect-serial: latches: 807B8554\n
; expect-serial: where is colour 9?: BD0C21DB\n
; expect-serial: pixels by the BIOS: D1B02EDF\n
;
; Mode 12h, 640 x 480: each byte is eight pixels, each plane a bit of their colour. A load fills the four latches, a store combines the CPU's
; byte, the set/reset register and the latches (IBM VGA technical reference, "graphics controller"). After each way of drawing, the
; checksums of the four planes are added up. See the picture: toyvmm run vga-planes --screenshot picture.png

        bits 16
        org 0x7C00
%include "toyvmm.inc"

; GRAPHICS index, value, index, value ...: registers of the graphics controller. The list stands behind the call.
%macro GRAPHICS 2-*
        call graphics
        db %0 / 2, %{1:-1}
%endmacro

start:  xor ax, ax
        mov ds, ax
        mov ss, ax
        mov sp, 0x7C00
        cld
        call serial_init16
        mov ax, 0x0012
        int 0x10
        push word 0xA000
        pop es

        ; Write mode 0 with set/reset: colour 9 wherever the bit mask has a one, in the upper 120 lines.
        GRAPHICS 0, 0x09, 1, 0x0F, 8, 0x3C
        xor di, di
        mov cx, 120 * 80
        call touch
        mov si, text_mask
        call planes

        ; Write mode 2: the byte is a colour; XORed to what is there, lines 60-179.
        GRAPHICS 1, 0x00, 8, 0x0F, 3, 0x18, 5, 0x02
        mov di, 60 * 80
        mov cx, 120 * 80
        call touch
        mov si, text_xor
        call planes

        ; Write mode 3: the rotated byte AND the bit mask say where colour 12 goes, lines 150-269.
        GRAPHICS 0, 0x0C, 3, 0x03, 5, 0x03, 8, 0x7E
        mov di, 150 * 80
        mov cx, 120 * 80
        call touch
        mov si, text_rotated
        call planes

        ; Write mode 1: eight pixels of four planes by one MOVSB.
        GRAPHICS 3, 0x00, 8, 0xFF, 5, 0x01
        push ds
        push es
        pop ds
        mov si, 30 * 80
        mov di, 290 * 80
        mov cx, 150 * 80
        rep movsb
        pop ds
        mov si, text_latches
        call planes

        ; Read mode 1: a one for each pixel of colour 9, planes 0 to 3 counting.
        GRAPHICS 2, 0x09, 7, 0x0F, 5, 0x08
        mov cx, 38400
        call sum16
        mov si, text_where
        call report16
        GRAPHICS 5, 0x00

        ; INT 10h AH=0Ch: a line from the upper left to the right.
        xor dx, dx
.pixel: mov ax, 0x0C0F
        mov cx, dx
        mov bh, 0
        int 0x10
        inc dx
        cmp dx, 480
        jb .pixel
        mov si, text_bios
        call planes

        call serial_drain16
        mov al, 16
        out DEBUG_EXIT, al
.hang:  hlt
        jmp .hang

graphics:
        xchg bp, si                     ; SI is kept
        pop si
        mov dx, 0x3CE
        lodsb
        movzx cx, al
.next:  lodsw                           ; AL = index, AH = value
        out dx, ax
        loop .next
        push si
        xchg bp, si
        ret

; CX bytes from ES:DI on: loads each, then stores the low byte of its address.
touch:  mov al, [es:di]
        mov ax, di
        stosb
        loop touch
        ret

; DS:SI = a text; the sum of the planes' checksums. The mode register is left at 0.
planes: push si
        GRAPHICS 5, 0x00
        xor edi, edi
        mov bh, 3
.next:  mov al, 4
        mov ah, bh
        mov dx, 0x3CE
        out dx, ax
        mov cx, 38400
        call sum16
        add edi, edx
        dec bh
        jns .next
        mov edx, edi
        pop si
        jmp report16

%include "console16.inc"
%include "sums16.inc"

text_mask:      db "set/reset, bit mask: ", 0
text_xor:       db "write mode 2, XOR: ", 0
text_rotated:   db "write mode 3, rotated: ", 0
text_latches:   db "latches: ", 0
text_where:     db "where is colour 9?: ", 0
text_bios:      db "pixels by the BIOS: ", 0

        times 510 - ($ - $$) db 0
        dw 0xAA55
