; guest: vga-mode13
; format: boot-sector
; teaches: the VGA's 256 colours: chained memory looks like bytes in a row, and is four planes
; expect-status: 33
; expect-serial: 64000 pixels, read back: 76805C82\n
; expect-serial: plane 0: 1481C540\n
; expect-serial: plane 1: 1481C540\n
; expect-serial: plane 2: 1481CC40\n
; expect-serial: plane 3: 1481CC40\n
; expect-serial: four pixels by one store: 5A5A5A5A\n
;
; Mode 13h (IBM VGA technical reference): the BIOS sets the registers, the program fills the DAC and the 64,000 bytes at A0000. The CPU's
; address bits 1-0 select the plane ("chain-4"), so a pixel's neighbours lie in the other three. Without chain-4 ("mode X") each plane is
; read by itself through the read map register, and one store reaches all the planes that the map mask lets.
; See the picture: toyvmm run vga-mode13 --screenshot picture.png

        bits 16
        org 0x7C00
%include "toyvmm.inc"

SEQUENCER       equ 0x3C4
GRAPHICS        equ 0x3CE

start:  xor ax, ax
        mov ds, ax
        mov ss, ax
        mov sp, 0x7C00
        cld
        call serial_init16
        mov ax, 0x0013                  ; INT 10h AH=00h
        int 0x10
        push word 0xA000
        pop es

        ; Every place of every plane to zero: without chain-4 a store goes to all four.
        mov dx, SEQUENCER
        mov ax, 0x0604
        out dx, ax
        xor di, di
        xor ax, ax
        mov cx, 0x8000
        rep stosw
        mov ax, 0x0E04
        out dx, ax

        ; The DAC: from blue to red, with green going round three times.
        mov dx, 0x3C8
        xor al, al
        out dx, al
        inc dx
        xor bx, bx
.colour:
        mov al, bl
        shr al, 2
        out dx, al
        mov al, bl
        imul ax, bx, 3
        and al, 0x3F
        out dx, al
        mov al, bl
        shr al, 2
        xor al, 0x3F
        out dx, al
        inc bl
        jnz .colour

        ; Pixel (x, y) = (x XOR y) + y / 2: CX = x, BX = y.
        xor di, di
        xor bx, bx
.row:   xor cx, cx
.pixel: mov ax, cx
        xor ax, bx
        mov dx, bx
        shr dx, 1
        add ax, dx
        stosb
        inc cx
        cmp cx, 320
        jb .pixel
        inc bx
        cmp bx, 200
        jb .row

        mov cx, 64000
        call sum16
        mov si, text_pixels
        call report16

        ; Plane by plane. What a plane's places are called is the chip's affair, so the order of the bytes does not count here.
        mov dx, SEQUENCER
        mov ax, 0x0604
        out dx, ax
        mov bh, 0
.plane: mov dx, GRAPHICS
        mov al, 4                       ; read map
        mov ah, bh
        out dx, ax
        xor edx, edx
        xor si, si
.place: movzx eax, byte [es:si]
        imul eax, eax
        add edx, eax
        inc si
        jnz .place
        mov si, text_plane
        call print16
        mov al, bh
        add al, '0'
        call print_char16
        mov si, text_colon
        call report16
        inc bh
        cmp bh, 4
        jb .plane

        mov byte [es:0xFFFF], 0x5A      ; outside the picture, in all four planes
        xor edx, edx
        mov bh, 0
.four:  push dx
        mov dx, GRAPHICS
        mov al, 4
        mov ah, bh
        out dx, ax
        pop dx
        shl edx, 8
        mov dl, [es:0xFFFF]
        inc bh
        cmp bh, 4
        jb .four
        mov si, text_four
        call report16
        mov dx, SEQUENCER
        mov ax, 0x0E04
        out dx, ax

        call serial_drain16
        mov al, 16
        out DEBUG_EXIT, al
.hang:  hlt
        jmp .hang

%include "console16.inc"
%include "sums16.inc"

text_pixels:    db "64000 pixels, read back: ", 0
text_plane:     db "plane ", 0
text_colon:     db ": ", 0
text_four:      db "four pixels by one store: ", 0

        times 510 - ($ - $$) db 0
        dw 0xAA55
